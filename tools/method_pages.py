"""Writes docs/methods/ from the methods themselves, a page each and the table of the index: `make docs`."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from semiseg.cli.methods import in_words, method_facts, networks, passes, setting_facts, shown
from semiseg.methods import METHODS, Method

FOLDER = Path(__file__).parents[1] / "docs" / "methods"
INDEX = FOLDER / "index.md"
BEGIN, END = "<!-- table: written by `make docs` -->\n", "<!-- end of table -->\n"


def pages() -> dict[Path, str]:
    """Every page of docs/methods, with its text brought up to date."""
    return {
        INDEX: with_table(INDEX.read_text(encoding="utf-8")),
        **{FOLDER / f"{name}.md": page(name, method) for name, method in METHODS.items()},
    }


def page(name: str, method: type[Method[Any]]) -> str:
    """One method's page."""
    title = f"<!-- written by `make docs` from src/{method.__module__.replace('.', '/')}.py -->\n\n# {method.title}\n"
    facts = method_facts(name, method)
    size = f"{in_words(facts['parameters'])} parameters in 2D / 3D, with the published network, 1 channel and 2 classes."
    cost = f"Encoders + decoders that learn: {networks(facts)}. Passes over the images of a step: {passes(facts)}."
    source = f"{method.paper}.\n\n{size} {cost}\n"
    command = f"```console\n$ semiseg train scans/ --labeled 8 --method {name}\n```\n"
    parts = [title, source, command, f"{inspect.getdoc(method)}\n", settings_section(method)]
    return "\n".join([*parts, *released_section(method)])


def settings_section(method: type[Method[Any]]) -> str:
    """All settings, each with its default, its range and its meaning."""
    settings = [setting_facts(name, field) for name, field in method.Settings.model_fields.items()]
    rows = [(f"`{s['name']}`", shown(s["default"]), s["allowed"], s["description"]) for s in settings]
    intro = "## Settings\n\nChange one with `--set settings.NAME=VALUE`, or under `settings:` in a run file.\n\n"
    return intro + table(("setting", "default", "allowed", "meaning"), rows)


def released_section(method: type[Method[Any]]) -> list[str]:
    """What `variant: released` changes; nothing for a method that has no variants."""
    if not method.Settings.RELEASED:
        return []
    corrected = method.Settings()
    rows = [(f"`{name}`", shown(getattr(corrected, name)), shown(value)) for name, value in method.Settings.RELEASED.items()]
    intro = "## As released\n\n`--set settings.variant=released` does as the authors' code does, where you do not set it yourself:\n\n"
    return [intro + table(("setting", "corrected", "released"), rows)]


def with_table(index: str) -> str:
    """The text of the index with its table of all methods brought up to date."""
    facts = {name: method_facts(name, method) for name, method in METHODS.items()}
    rows = [
        (f"[{method.title}]({name}.md)", f"`{name}`", networks(facts[name]), passes(facts[name]), method.paper)
        for name, method in METHODS.items()
    ]
    before, rest = index.split(BEGIN)
    return f"{before}{BEGIN}\n{table(('method', 'name', 'networks', 'passes', 'paper'), rows)}\n{END}{rest.split(END)[1]}"


def table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A Markdown table."""
    cells = [[cell.replace("|", r"\|").replace("*", r"\*") for cell in row] for row in [header, *rows]]
    lines = [cells[0], ["---"] * len(header), *cells[1:]]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    current = pages()
    for gone in set(FOLDER.glob("*.md")) - current.keys():
        gone.unlink()
    for path, text in current.items():
        path.write_text(text)
