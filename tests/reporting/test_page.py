"""The pages as a person meets them: valid, in a browser without errors and requests, on paper, read aloud, and not too large."""

from __future__ import annotations

import io
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import html5lib
import numpy as np
import pytest
from pypdf import PdfReader
from report_kit import many_cases, many_runs

from semiseg.case import Array, Case
from semiseg.reporting.comparison import report
from semiseg.reporting.curve import curve_report, curves_of, efficiency
from semiseg.reporting.html import Report, render
from semiseg.reporting.pair import pair_groups, pair_report
from semiseg.reporting.runs import grouped
from semiseg.run_folder import RunFolder

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

LARGEST = 5_000_000
PAPER = (794 - 2 * 57, 1123)
"""Pixels of A4 between margins of 1.5 cm."""
METHODS = ("supervised", "mean-teacher", "bcp", "cml")
FINDS_CUTS = """() => [...document.querySelectorAll('table, img, p, h1, h2, li, figcaption')]
    .filter(element => element.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(element => element.tagName + ' ' + element.textContent.trim().slice(0, 60))"""


def unsure(folder: RunFolder, case: Case) -> tuple[str, Array]:
    assert isinstance(case.label, np.ndarray)
    return "views disagree", np.clip(case.label / 2, 0, 1)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Report]:
    """One run and a pair with 50 scans; a grid and a curve with 12."""
    path, cases = tmp_path_factory.mktemp("runs"), many_cases(50)
    pair = grouped(many_runs(path / "pair", cases, ("supervised", "cml"), (8,), (0,)))
    runs = grouped(many_runs(path / "grid", cases[:12], METHODS, (5, 10, 20), (0, 1)))
    members = curves_of([group for group in runs if group.name.startswith("CML")])
    return {
        "run": report("One run", pair[1:], cases, look=unsure, beside=["la-8"]),
        "grid": report("A grid", runs, cases, look=unsure),
        "pair": pair_report(*pair_groups([pair[1].trainings[0], pair[0].trainings[0]]), cases),
        "curve": curve_report("A curve", members, {name: efficiency(groups) for name, groups in members.items()}),
    }


@pytest.fixture(scope="module", params=["run", "grid", "pair", "curve"])
def html(request: Any, pages: dict[str, Report]) -> str:
    return render(pages[request.param])


@pytest.fixture
def page(html: str, browser: Browser, tmp_path: Path) -> Any:
    """The page in Chromium, opened from the disk; fails on any message in the console and any request."""
    file = tmp_path / "page.html"
    file.write_text(html, encoding="utf-8")
    opened, said = browser.new_page(viewport={"width": 1100, "height": 900}), []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: said.append(request.url[:80]) if not request.url.startswith(("data:", file.as_uri())) else None)
    opened.goto(file.as_uri())
    yield opened
    opened.close()
    assert said == []


def test_a_strict_parser_takes_it(html: str) -> None:
    html5lib.HTMLParser(strict=True).parse(html)  # raises at the first error


def test_it_is_small(html: str) -> None:
    assert len(html.encode()) < LARGEST


def test_every_picture_is_drawn_and_nothing_runs_out_of_the_page(page: Page) -> None:
    assert page.evaluate("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_narrow_screen_scrolls_tables_and_not_the_page(page: Page) -> None:
    page.set_viewport_size({"width": 380, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_nothing_is_cut_on_paper(page: Page) -> None:
    page.emulate_media(media="print")
    page.set_viewport_size({"width": PAPER[0], "height": PAPER[1]})
    assert page.evaluate(FINDS_CUTS) == []
    sheets = PdfReader(io.BytesIO(page.pdf(format="A4"))).pages
    words = unicodedata.normalize("NFKC", " ".join(" ".join(sheet.extract_text() for sheet in sheets).split()))  # ligatures taken apart
    headings = page.eval_on_selector_all("h1, h2", "all => all.map(one => one.textContent)")
    assert [heading for heading in headings if heading not in words] == []


def test_it_can_be_read_aloud(page: Page) -> None:
    assert page.evaluate("[...document.images].every(image => image.alt.length > 20)")
    assert page.evaluate("[...document.querySelectorAll('table')].every(table => table.caption && table.caption.textContent.trim())")
    assert page.evaluate("[...document.querySelectorAll('th')].every(cell => ['col', 'row'].includes(cell.scope))")
    assert page.evaluate("[...document.querySelectorAll('tbody tr')].every(row => row.querySelector('th[scope=row]'))")
    levels = page.eval_on_selector_all("h1, h2, h3", "all => all.map(one => Number(one.tagName[1]))")
    assert levels[0] == 1
    assert set(levels[1:]) == {2}
    assert page.evaluate("document.documentElement.lang") == "en"


def test_text_stands_out_from_its_paper_by_day_and_by_night(page: Page) -> None:
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for selector in ("body", ".protocol"):
            assert page.evaluate(CONTRAST, selector) >= 4.5  # WCAG 2, AA


CONTRAST = """selector => {
    const numbers = text => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
    const light = rgb => rgb.map(c => c / 255).map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const style = getComputedStyle(document.querySelector(selector)), paper = getComputedStyle(document.body).backgroundColor;
    const [a, b] = [light(numbers(style.color)), light(numbers(paper))].sort((x, y) => y - x);
    return (a + 0.05) / (b + 0.05);
}"""


def test_a_grid_says_what_a_person_wants_to_know(pages: dict[str, Report]) -> None:
    page = pages["grid"]
    assert "the highest mean Dice had CML with 5 labelled scans, 0." in page.summary
    assert "at equal budget the unlabelled scans helped in " in page.summary
    assert "of 9 comparisons and did harm in 0 (95 % interval, over seeds too, on one side of 0, and p (Holm) below 0.05)" in page.summary
    assert page.summary.endswith("Warning: the pseudo-labels of vessel collapsed in 18 trainings (see Pseudo-labels).")
    told = next(section for section in page.sections if section.title == "Pseudo-labels").lines
    assert told[-1] == "Warning: the pseudo-labels of vessel collapsed in CML, 20 labelled, seed 1 (found at step 1700)."
    assert [section.title for section in page.sections] == [
        "Label budgets",
        "Scores",
        "What the unlabelled scans bought",
        "Order of the methods",
        "Differences",
        "Every test scan",
        "Pictures, 5 labelled",
        "Pictures, 20 labelled",
        "Training",
        "Pseudo-labels",
        "Every pair",
        "Every training",
        "Protocol",
        "Settings",
        "Environment",
    ]
    differences = next(section for section in page.sections if section.title == "Differences").tables[0][1]
    assert len(differences.rows) == 3 * 3 * 3  # methods against the control, budgets, two classes and their mean


def test_published_rows_stand_apart_and_say_so(pages: dict[str, Report]) -> None:
    section = next(section for section in pages["run"].sections if section.title == "Published results, LA with 8 labelled")
    (_, ours), (caption, table) = section.tables
    assert [row[0] for row in ours.rows] == ["CML"]
    assert caption == "Published, not ours: LA with 8 labelled."
    assert table.head[0] == "Published method"
    assert next(row[:5] for row in table.rows if row[0] == "CML") == ("CML", "90.36", "–", "6.06", "1.68")
    assert not any("OPMatch" in cell for row in ours.rows for cell in row)
    others = [table for section in pages["run"].sections if "Published" not in section.title for _, table in section.tables]
    assert not any("OPMatch" in cell or cell == "90.36" for table in others for row in table.rows for cell in row)
