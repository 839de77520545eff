"""The pages say what is there: the tree of the design page is the code's, and every link and picture leads somewhere."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import markdown
import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
design = runpy.run_path(str(ROOT / "tools" / "design_tree.py"))
method_pages = runpy.run_path(str(ROOT / "tools" / "method_pages.py"))


def targets(page: str) -> list[str]:
    """What the links and pictures of a Markdown text lead to, without code, anchors and other hosts."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", page, flags=re.DOTALL)
    links = re.findall(r"\]\(([^)\s]+)[^)]*\)|<img[^>]*\bsrc=\"([^\"]+)\"", prose)
    paths = [(markdown or html).partition("#")[0] for markdown, html in links]
    return [path for path in paths if path and "://" not in path and not path.startswith("mailto:")]


def test_targets_are_relative_links_and_pictures_outside_code() -> None:
    page = 'a [b](c.md#d) ![e](f.png "g") [h](https://i.org) [j](#k) `[l](m.md)`\n```\n[n](o.md)\n```\n<img src="p.png">'
    assert targets(page) == ["c.md", "f.png", "p.png"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_pictures_lead_to_files_that_exist(page: Path) -> None:
    assert [target for target in targets(page.read_text(encoding="utf-8")) if not (page.parent / target).exists()] == []


@pytest.mark.parametrize(("path", "text"), method_pages["pages"]().items(), ids=lambda item: getattr(item, "name", ""))
def test_methods_pages_say_what_the_methods_say(path: Path, text: str) -> None:
    assert path.is_file(), "run `make docs`"
    assert path.read_text(encoding="utf-8") == text, "run `make docs`"


def test_no_page_is_left_of_a_method_that_is_gone() -> None:
    assert set((ROOT / "docs" / "methods").glob("*.md")) == method_pages["pages"]().keys()


def test_tables_of_settings_keep_what_markdown_would_eat() -> None:
    assert method_pages["table"](("a", "b"), [("x | y", "40*150")]) == "| a | b |\n| --- | --- |\n| x \\| y | 40\\*150 |\n"


def test_tree_names_every_source_file() -> None:
    files = [file for file in (ROOT / "src" / "semiseg").rglob("*.py") if file.name != "__init__.py"]
    assert [file.name for file in files if f"`{file.name}`" not in design["tree"]()] == []


def test_design_page_shows_the_tree_of_the_code() -> None:
    page = (ROOT / "docs" / "design.md").read_text(encoding="utf-8")
    assert page == design["with_tree"](page), "run `make tree`"


@pytest.mark.parametrize("file", sorted((ROOT / "src" / "semiseg").rglob("*.py")), ids=lambda file: str(file.relative_to(ROOT)))
def test_every_source_file_opens_with_a_sentence(file: Path) -> None:
    assert re.fullmatch(r"[A-Z`].*[.:]", design["opening_sentence"](file))


def test_formulas_become_mathml_and_prices_and_code_do_not() -> None:
    math = runpy.run_path(str(ROOT / "tools" / "mathml.py"))["MathML"]
    page = markdown.markdown("$a_1^2$, `$b$`, $5 and $6\n\n$$\nc \\cdot\n\\frac{1}{2}\n$$", extensions=[math()])
    assert page.count("<math") == 2
    assert page.count("<msubsup>") == 1
    assert page.count("<mfrac>") == 1
    assert "<code>$b$</code>, $5 and $6" in page
