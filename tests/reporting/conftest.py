"""Two finished runs and the scans that they were tested on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel
import numpy as np
import pytest
from report_kit import SHAPE, SPACING, Runs, box, finished

from semiseg.case import Case, Geometry
from semiseg.data.formats import write_label

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def test_cases() -> list[Case]:
    """Three scans on the same grid, each brighter where its label is."""
    noise = np.random.default_rng(0).normal(0, 0.2, (3, *SHAPE))
    labels = [box(6), box(7), box(8)]
    return [Case(f"scan_{i}", (noise[i] + label,), label, spacing=SPACING) for i, label in enumerate(labels)]


@pytest.fixture
def runs(tmp_path: Path, test_cases: list[Case]) -> Runs:
    """The control, 2 voxels off, and CML, right but for scan_0, where it finds nothing of class 2."""
    return {
        "Supervised-only": finished(tmp_path / "supervised", "supervised", test_cases, [box(6, 2), box(7, 2), box(8, 2)]),
        "CML": finished(tmp_path / "cml", "cml", test_cases, [np.where(box(6) == 2, 0, box(6)), box(7), box(8)]),
    }


@pytest.fixture
def scans_folder(tmp_path: Path, test_cases: list[Case]) -> Path:
    """The test scans as the data folder of the runs."""
    folder = tmp_path / "scans"
    for case in test_cases:
        (folder / "images").mkdir(parents=True, exist_ok=True)
        image = nibabel.Nifti1Image(np.asarray(case.images[0], np.float32), np.diag([*SPACING, 1.0]))
        nibabel.save(image, folder / "images" / f"{case.id}.nii.gz")
        write_label(folder / "labels" / f"{case.id}.nii.gz", np.asarray(case.label), Geometry.from_spacing(SPACING))
    (folder / "test.list").write_text("".join(f"{case.id}\n" for case in test_cases))
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Headless Chromium: the one in CHROMIUM, else on the path, else that of Playwright."""
    playwright = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
    path = os.environ.get("CHROMIUM") or next((found for name in names if (found := shutil.which(name))), None)
    with playwright.sync_playwright() as started:
        if path is None and not Path(started.chromium.executable_path).is_file():
            pytest.skip("no Chromium: install it, or name it in CHROMIUM")
        opened = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield opened
        opened.close()
