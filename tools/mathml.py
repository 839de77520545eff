"""Turns the LaTeX of the pages ($inline$, $$display$$) into MathML when the site is built: a reader needs no script and no network."""

from __future__ import annotations

from re import Match
from typing import Any
from xml.etree.ElementTree import Element

from latex2mathml.converter import convert
from markdown import Extension, Markdown
from markdown.inlinepatterns import InlineProcessor

DISPLAY = r"\$\$(.+?)\$\$"
INLINE = r"(?<![\\$])\$(?![\s$])([^$]+?)(?<!\s)\$(?!\d)"  # no formula: `costs $5 and $6`
BEFORE_ESCAPES = 185  # Markdown reads code at 190 and backslashes at 180


class Formula(InlineProcessor):
    """One kind of formula, found by its pattern."""

    def __init__(self, pattern: str, md: Markdown, display: str) -> None:
        super().__init__(pattern, md)
        self.display = display

    def handleMatch(self, m: Match[str], data: str) -> tuple[Element | str, int, int]:  # type: ignore[override]
        """The formula's place in the page, as Markdown's inline processors give it."""
        return self.md.htmlStash.store(convert(m[1].strip(), display=self.display)), m.start(), m.end()


class MathML(Extension):
    """The Markdown extension."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Put both patterns before Markdown's own reading of backslashes."""
        md.inlinePatterns.register(Formula(DISPLAY, md, "block"), "display math", BEFORE_ESCAPES + 1)
        md.inlinePatterns.register(Formula(INLINE, md, "inline"), "inline math", BEFORE_ESCAPES)


def makeExtension(**settings: Any) -> MathML:
    """What Markdown calls to get the extension."""
    return MathML(**settings)
