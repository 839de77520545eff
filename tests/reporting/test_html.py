from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from semiseg.reporting.html import Picture, Report, Section, data_url, render
from semiseg.reporting.tables import Table

VOID = {"meta", "link", "img", "source", "br", "hr"}


class Page(HTMLParser):
    """Every element with its attributes; fails where elements are not closed in order."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def html() -> str:
    table = Table(("Method", "Dice"), (("CML", "0.9"), ("<b>Control & co</b>", "0.8")))
    picture = Picture(b"light", "a scan", "Median case.", dark=b"dark")
    return render(
        Report(
            "Title",
            "One sentence.",
            "Sealed.",
            (Section("Scores", "Read it so.", (("Caption.", table),)), Section("Pictures", pictures=(picture,))),
        )
    )


def test_the_page_is_well_formed_and_has_one_heading_of_the_first_order(html: str) -> None:
    page = Page(html)
    assert html.startswith("<!doctype html>")
    assert len(page.all("h1")) == len(page.all("main")) == len(page.all("title")) == 1
    assert len(page.all("h2")) == 2
    assert page.all("html") == [{"lang": "en"}]


def test_nothing_is_asked_of_the_network(html: str) -> None:
    page = Page(html)
    links = [value for _, attributes in page.elements for key, value in attributes.items() if key in ("src", "srcset", "href")]
    assert links
    assert all(link is not None and link.startswith("data:") for link in links)
    assert not re.search(r"https?:|@import|url\(|<script", html)


def test_it_can_be_read_aloud(html: str) -> None:
    page = Page(html)
    assert all(attributes["alt"] for attributes in page.all("img"))
    assert [attributes["scope"] for attributes in page.all("th")] == ["col", "col", "row", "row"]
    assert len(page.all("caption")) == len(page.all("table")) == 1
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    named = [attributes["aria-labelledby"] for _, attributes in page.elements if "aria-labelledby" in attributes]
    assert len(ids) == len(set(ids))
    assert set(named) <= set(ids)


def test_text_cannot_become_markup(html: str) -> None:
    assert "&lt;b&gt;Control &amp; co&lt;/b&gt;" in html


def test_a_dark_page_shows_the_dark_picture(html: str) -> None:
    (source,), (image,) = Page(html).all("source"), Page(html).all("img")
    assert source["srcset"] == data_url(b"dark")
    assert "prefers-color-scheme: dark" in str(source["media"])
    assert image["src"] == data_url(b"light")
