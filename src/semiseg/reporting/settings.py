"""The parts of a page on settings and environment: what all runs share, and what differs."""

from __future__ import annotations

from collections.abc import Mapping

from semiseg.reporting.html import Section
from semiseg.reporting.runs import flat
from semiseg.reporting.tables import Table
from semiseg.run_folder import RunFolder

BESIDE = 3
"""Methods whose settings fit beside each other on a printed page."""
ALL = "all"
ABOUT = "As in run.yaml of the first training of each method; what a plan took from the scans, such as CT's window, may differ in others."


def settings(folders: Mapping[str, RunFolder]) -> Section:
    """Every setting of the first training of each method."""
    values = {name: dict(flat(folder.run().model_dump(mode="json"))) for name, folder in folders.items()}
    return Section("Settings", tables=((ABOUT, arranged("Setting", values)),))


def environment(folders: Mapping[str, RunFolder]) -> Section:
    """Versions and machine of each run."""
    values = {name: folder.read_json("environment.json") or {} for name, folder in folders.items()}
    return Section("Environment", tables=(("What the result depends on besides the settings.", arranged("Part", values)),))


def arranged(head: str, values: Mapping[str, Mapping[str, str]]) -> Table:
    """Beside each other where there are few runs, else one row for each value that any of them has."""
    return side_by_side(head, values) if len(values) <= BESIDE else by_value(head, values)


def side_by_side(head: str, values: Mapping[str, Mapping[str, str]]) -> Table:
    """One column a run, the methods' own settings last, a dash where a run has no such value."""
    rows = tuple((key, *(run.get(key, "–") for run in values.values())) for key in ordered(values))
    return Table((head, *values), rows, numeric=False)


def by_value(head: str, values: Mapping[str, Mapping[str, str]]) -> Table:
    """One row for each setting and value, with the runs that have it."""
    rows = []
    for key in ordered(values):
        holders: dict[str, list[str]] = {}
        for name, run in values.items():
            if key in run:
                holders.setdefault(run[key], []).append(name)
        rows += [(key, value, ALL if len(names) == len(values) else "; ".join(names)) for value, names in holders.items()]
    return Table((head, "Value", "Methods"), tuple(rows), numeric=False)


def ordered(values: Mapping[str, Mapping[str, str]]) -> list[str]:
    """Names of all settings, the methods' own last."""
    names = dict.fromkeys(key for run in values.values() for key in run)
    return sorted(names, key=lambda name: name.startswith("settings."))
