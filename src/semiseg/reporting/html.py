"""The report page: one HTML file with everything inside, readable offline, in print and by a screen reader."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from jinja2 import Environment, StrictUndefined

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
    """A headed part of the page: text, then tables (each with its caption), then pictures."""

    title: str
    text: str = ""
    tables: tuple[tuple[str, Table], ...] = ()
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class Report:
    """A page: its title, what it found in one sentence, how that was found, and the parts."""

    title: str
    summary: str
    protocol: str
    sections: tuple[Section, ...]


def render(report: Report) -> str:
    """The page as HTML. It asks nothing of the network and runs no script; the same report gives the same text."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["data_url"] = data_url
    template = resources.files("semiseg.reporting").joinpath("templates", "report.html.jinja").read_text(encoding="utf-8")
    return environment.from_string(template).render(report=report)


def write_report(report: Report, path: Path) -> None:
    """The page as a file."""
    path.write_text(render(report), encoding="utf-8")


def data_url(png: bytes) -> str:
    """The picture itself as an address."""
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
