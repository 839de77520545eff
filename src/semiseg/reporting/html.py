"""The report page: one HTML file with everything inside, readable offline, in print and by a screen reader."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from semiseg.reporting.tables import Table


@dataclass(frozen=True)
class Picture:
    """A PNG with the words that stand for it (`alt`) and under it (`caption`). `dark`: the same picture for a dark page, if it differs."""

    png: bytes
    alt: str
    caption: str
    dark: bytes | None = None


@dataclass(frozen=True)
class Section:
    """A headed part of the page: text, a list of sentences, tables (each with its caption), pictures."""

    title: str
    text: str = ""
    tables: tuple[tuple[str, Table], ...] = ()
    pictures: tuple[Picture, ...] = ()
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """A page: its title, what it found in one sentence, how that was found, and the parts.

    `origin`: where its numbers come from, by kind; tables of numbers carry it.
    """

    title: str
    summary: str
    protocol: str
    sections: tuple[Section, ...]
    origin: Mapping[str, str] = field(default_factory=dict)

    def origin_line(self) -> str:
        """The origin as one line; empty where there is none."""
        return " · ".join(f"{kind} {text}" for kind, text in self.origin.items())


def render(report: Report, template: str = "report", **values: Any) -> str:
    """The page as HTML. It asks nothing of the network and runs no script; the same report gives the same text.

    Args:
        report: what the page shows.
        template: a page that extends that of reports, by its name in templates/.
        values: what that page shows besides.
    """
    loader = PackageLoader("semiseg.reporting")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_url"] = data_url
    return environment.get_template(f"{template}.html.jinja").render(report=report, **values)


def write_report(report: Report, path: Path) -> None:
    """The page as a file."""
    path.write_text(render(report), encoding="utf-8")


def data_url(picture: bytes, kind: str = "png") -> str:
    """The picture itself as an address."""
    return f"data:image/{kind};base64," + base64.b64encode(picture).decode("ascii")
