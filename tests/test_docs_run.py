"""The commands and programs of the README and of the docs, run on synthetic scans; trainings are cut to two steps."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from semiseg.case import Geometry
from semiseg.cli import app
from semiseg.data.formats import read_image, read_label, write_label
from semiseg.data.phantom import phantom_case, write_phantom
from series_kit import write_series

ROOT = Path(__file__).parents[1]
OWN_TESTS = {"new-method.md"}
"""Pages that a test of their own runs."""
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs/how-to").glob("*.md"))]
SETTINGS = ("steps=2", "patch=[32,16,16]", "labeled_batch=4", "unlabeled_batch=4", "class_prior=false")
SHORT = ["--set", "network.width=4", *[word for setting in SETTINGS for word in ("--set", f"training.{setting}")]]
TRAININGS = {"train": SHORT, "curve": SHORT, "demo": ["--steps", "2"]}
"""What a command gets so that its training is short, and still finds something: after two steps from the prior, all is background."""


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def commands(page: Path) -> list[str]:
    return [line[2:] for block in blocks(page, "console") for line in block.splitlines() if line.startswith("$ ")]


def with_blocks(language: str) -> list[Path]:
    return [page for page in PAGES if blocks(page, language) and page.name not in OWN_TESTS]


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def write_brats(folder: Path) -> None:
    """Two cases as BraTS lays them out, labels 0, 1, 2 and 4."""
    for k in range(2):
        image, label = phantom_case(k, (20, 20, 20), 4)
        for kind in ("flair", "t1", "t1ce", "t2"):
            write_label(folder / f"Brats_{k}" / f"Brats_{k}_{kind}.nii.gz", (100 * image).astype("int16"), Geometry())
        write_label(folder / f"Brats_{k}" / f"Brats_{k}_seg.nii.gz", np.where(label == 3, 4, label), Geometry())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pages take for granted: scans, new ones, labels, and finished runs by the names that they use."""
    folder = tmp_path_factory.mktemp("docs")
    write_phantom(folder / "scans", cases=18, labeled=16, test=2, shape=(20, 20, 20), seed=1)
    write_brats(folder / "brats")
    write_series(folder / "ct" / "series", (100 * phantom_case(0, (20, 20, 20))[0]).astype("int16"), (1, 0, 0, 0, 1, 0))
    for part, source in (("new", "images"), ("labels", "labels")):
        (folder / part).mkdir()
        for file in sorted((folder / "scans" / source).iterdir())[-2:]:
            shutil.copy(file, folder / part)
    for method in ("cml", "supervised"):
        made = folder / "runs" / f"{method}-0"
        call = ["train", str(folder / "scans"), "--labeled", "8", "--method", method, "--out", str(made), *SHORT]
        assert CliRunner().invoke(app, call).exit_code == 0
        shutil.copytree(made, folder / "runs" / f"{method}-1")
    shutil.copytree(folder / "runs" / "cml-0", folder / "runs" / "x")
    return folder


@pytest.fixture
def sandbox(finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(finished, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "here"


@pytest.mark.usefixtures("sandbox")
@pytest.mark.parametrize("page", with_blocks("console"), ids=name_of)
def test_commands_of_a_page_run_from_top_to_bottom(page: Path) -> None:
    for made in re.findall(r"--out (runs/\S+)", page.read_text(encoding="utf-8")):
        shutil.rmtree(made, ignore_errors=True)  # the page makes it itself
    for command in commands(page):
        program, *rest = shlex.split(command, comments=True)
        if rest[0] == "evaluate":
            compared = sorted(map(Path, rest[1:3]), key=Path.exists)
            if not compared[0].exists():
                shutil.copytree(compared[1], compared[0])  # as if made elsewhere
        if program == "semiseg":
            done = CliRunner().invoke(app, [*rest, *TRAININGS.get(rest[0], [])])
            assert done.exit_code == 0, f"{command}\n{done.output}\n{done.exception!r}"
        else:
            assert known(program, rest), command


def known(program: str, rest: list[str]) -> bool:
    """Whether a command that sets up or measures names what is there: a target, an extra, a benchmark."""
    if program == "make":
        return f"\n{rest[0]}:" in (ROOT / "Makefile").read_text(encoding="utf-8")
    if program == "pip":
        extras = set(re.findall(r"\[(.*?)\]", rest[-1]))
        return (
            rest[0] == "install"
            and extras <= tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"].keys()
        )
    return program == "python" and (ROOT / rest[0]).is_file()


@pytest.mark.parametrize("page", with_blocks("python"), ids=name_of)
def test_programs_of_a_page_run(page: Path, sandbox: Path) -> None:
    images = {file.name: read_image(file)[0] for file in sorted((sandbox / "scans" / "images").iterdir())}
    labels = {name: read_label(sandbox / "scans" / "labels" / name)[0] for name in list(images)[:4]}
    shutil.rmtree(sandbox / "runs" / "x")
    for block in blocks(page, "python"):
        exec(block.replace('"steps": 2000', '"steps": 2'), {"images": images, "labels": labels, "array": images["phantom_000.nii.gz"]})


@pytest.mark.parametrize("page", with_blocks("yaml"), ids=name_of)
def test_settings_of_a_page_are_yaml(page: Path) -> None:
    assert all(isinstance(yaml.safe_load(block), dict) for block in blocks(page, "yaml"))
