"""The page of `semiseg check`: what was found, and a small picture of each scan with its label."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from semiseg.case import Array, Case, Geometry
from semiseg.data.check import axis_codes
from semiseg.data.dataset import Dataset
from semiseg.data.labels import renumbered
from semiseg.data.look import Finding
from semiseg.reporting.html import Report, Section, render
from semiseg.reporting.tables import Table
from semiseg.reporting.thumbnails import color_of, size_of, thumbnail

MOST_PICTURES = 300
"""On a page: some 3 MB."""
MOST_DRAWN = 5000
"""Pictures that are kept until it is known which scans have findings: some 50 MB of disk."""
MOST_ROWS = 500
"""Findings that a page lists."""
LEGEND = (
    "Each picture shows the slices in which the label shows most of itself, the middle ones where there is no label: axial, coronal and "
    "sagittal where the file says how it lies, turned as it says, so that a scan which stands on its head has a wrong header. Colored "
    "lines are the outlines of the classes."
)


@dataclass(frozen=True)
class Scan:
    """One scan of the page."""

    id: str
    about: str
    picture: bytes
    size: tuple[int, int]
    alt: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, eq=False)
class Facts:
    """What is known of a scan from the one look at it."""

    shape: tuple[int, ...]
    geometry: Geometry
    labeled: bool

    def text(self) -> str:
        """On one line."""
        facts = [f"{' × '.join(map(str, self.shape))}"]
        if self.geometry.known:
            facts.append(" × ".join(f"{mm:.3g}" for mm in self.geometry.spacing(len(self.shape))) + " mm")
        return ", ".join([*facts, "labelled" if self.labeled else "unlabelled"])


class Album:
    """Pictures of scans, drawn while they are in memory and kept as files until the page is written.

    Args:
        folder: an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.facts: dict[str, Facts] = {}
        self.files: dict[str, Path] = {}
        self._lock = threading.Lock()

    def add(self, case: Case, image: Array, label: Array | None, geometry: Geometry) -> None:
        """Draw one scan; several threads may do so at once."""
        with self._lock:
            self.facts[case.id] = Facts(image.shape, geometry, case.label is not None)
            file = self.folder / f"{len(self.facts)}.jpg" if len(self.facts) <= MOST_DRAWN else None
        if file is not None:
            classes = None if label is None else renumbered(label, case.label_map)
            file.write_bytes(thumbnail(image, classes, geometry))
            with self._lock:
                self.files[case.id] = file

    def scans(self, dataset: Dataset, findings: Sequence[Finding]) -> list[Scan]:
        """At most `MOST_PICTURES` in the order of the data set: those with findings, then others at equal distances."""
        found: defaultdict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            found[finding.case].append(finding)
        parts = {case.id: part for part, cases in dataset.parts.items() for case in cases if case.id in self.files}
        odd = [case for case in parts if case in found][:MOST_PICTURES]
        rest = [case for case in parts if case not in found]
        room = min(MOST_PICTURES - len(odd), len(rest))
        shown = {*odd, *(rest[k * len(rest) // room] for k in range(room))}
        return [self._scan(case, part, found[case]) for case, part in parts.items() if case in shown]

    def _scan(self, case: str, part: str, findings: Sequence[Finding]) -> Scan:
        facts = self.facts[case]
        alt = f"{case}: slices of the scan" + (" with the outline of its label" if facts.labeled else "")
        return Scan(case, f"{part}; {facts.text()}", self.files[case].read_bytes(), size_of(len(facts.shape)), alt, tuple(findings))


def check_page(dataset: Dataset, findings: Sequence[Finding], album: Album, folder: Path) -> str:
    """The page as HTML, everything inside; files are named as they are in `folder`."""
    findings = [replace(finding, message=finding.message.replace(f"{folder}/", "")) for finding in findings]
    scans = album.scans(dataset, findings)
    total, read = sum(map(len, dataset.parts.values())), len(album.facts)
    left = "" if read == total else f" {total - read} of {total} could not be read."
    left += "" if len(scans) == read else f" {len(scans)} of {read} are shown: those with findings first."
    report = Report(
        title=f"Check of {dataset.name}",
        summary=summary(findings, total),
        protocol=f"{dataset.summary()}. Every file was opened once, and none was changed.",
        sections=(*found_section(findings), Section("Data", tables=(("What was found in the files", facts_table(dataset, album)),))),
    )
    classes = [(name, color_of(k)) for k, name in enumerate(dataset.named or (), start=1)]
    return render(report, "check", scans=scans, about=LEGEND + left, classes=classes, width=size_of(dataset.dimensions)[0])


def summary(findings: Sequence[Finding], total: int) -> str:
    """How much is wrong, in one sentence."""
    if not findings:
        return f"Nothing wrong in {total} scans."
    counts = {severity: sum(finding.severity == severity for finding in findings) for severity in ("error", "warning")}
    said = " and ".join(f"{count} {name}{'s' * (count != 1)}" for name, count in counts.items() if count)
    return f"{said}, in {len({finding.case for finding in findings if finding.case})} of {total} scans."


def found_section(findings: Sequence[Finding]) -> tuple[Section, ...]:
    """The findings as a table, the first `MOST_ROWS` of them."""
    if not findings:
        return ()
    rows = tuple((finding.severity, finding.kind, finding.case or "–", finding.message) for finding in findings[:MOST_ROWS])
    more = f" The first {MOST_ROWS} of {len(findings)}; all of them are in the text and in the JSON." if len(findings) > MOST_ROWS else ""
    caption = f"An error stops a training or makes its score wrong; a warning may be meant.{more}"
    return (Section("Findings", tables=((caption, Table(("", "Kind", "Scan", "What, and the way out"), rows, keys=2, numeric=False)),)),)


def facts_table(dataset: Dataset, album: Album) -> Table:
    """Numbers of cases, and the ranges of sizes, voxels and orientations."""
    facts = list(album.facts.values())
    rows = [(part, str(len(cases))) for part, cases in dataset.parts.items() if cases]
    rows.append(("with a label", str(sum(case.label is not None for cases in dataset.parts.values() for case in cases))))
    for axes in sorted({len(each.shape) for each in facts}):
        alike = [each for each in facts if len(each.shape) == axes]
        known = [each for each in alike if each.geometry.known]
        rows.append((f"size in {axes}D, voxels", ranges([each.shape for each in alike])))
        if known:
            rows.append(("voxel, mm", ranges([each.geometry.spacing(axes) for each in known])))
            rows.append(("axes run", ", ".join(sorted({axis_codes(each.geometry, axes) for each in known}))))
        if len(known) < len(alike):
            rows.append(("without geometry", str(len(alike) - len(known))))
    rows += [("classes", ", ".join(dataset.named))] if dataset.named else []
    return Table(("", ""), tuple(rows), numeric=False)


def ranges(values: Sequence[Sequence[float]]) -> str:
    """Least and most along each axis: 31–43 × 40–59."""
    low, high = np.min(values, axis=0), np.max(values, axis=0)
    return " × ".join(f"{a:.4g}" if np.isclose(a, b, rtol=1e-3) else f"{a:.4g}–{b:.4g}" for a, b in zip(low, high, strict=True))
