"""Writes the tree in docs/design.md from the opening sentence of every source file: `make tree`."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "semiseg"
PAGE = ROOT / "docs" / "design.md"
BEGIN, END = "<!-- tree: written by `make tree` -->\n", "<!-- end of tree -->\n"


def opening_sentence(file: Path) -> str:
    """The first paragraph of a module's docstring, on one line; empty if there is none."""
    docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
    return " ".join(docstring.partition("\n\n")[0].split())


def tree(folder: Path = PACKAGE, indent: str = "") -> str:
    """A Markdown list of a package: its folders and files, each with its opening sentence."""
    lines = [f"{indent}- `{folder.name}/`: {opening_sentence(folder / '__init__.py')}\n"]
    files = sorted(file for file in folder.glob("*.py") if file.name != "__init__.py")
    lines += [f"{indent}    - `{file.name}`: {opening_sentence(file)}\n" for file in files]
    lines += [tree(init.parent, indent + "    ") for init in sorted(folder.glob("*/__init__.py"))]
    return "".join(lines)


def with_tree(page: str) -> str:
    """The text of the design page with its tree brought up to date."""
    before, rest = page.split(BEGIN)
    return f"{before}{BEGIN}\n{tree()}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    PAGE.write_text(with_tree(PAGE.read_text(encoding="utf-8")))
