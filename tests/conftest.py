"""Fixtures on real scans: from the folder in SEMISEG_DATA, else unpacked beside the repository, else skipped."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from semiseg.cluster import Node, connect, import_ray

settings.register_profile("semiseg", deadline=None, suppress_health_check=[HealthCheck.too_slow])  # a busy machine is no fault
settings.load_profile("semiseg")

UNPACK = Path(__file__).parents[2] / "shared" / "data" / "unpack.py"
LA_TRAIN, LA_TEST, ACDC_PATIENTS, ACDC_VOLUMES = 10, 2, 3, 2
"""How much is unpacked where SEMISEG_DATA is not set: enough for every test, a tenth of the time."""


@pytest.fixture(scope="session")
def la_folder() -> Path:
    """LA: all lists; at least the first 10 training and the first 2 test scans."""
    return _folder("LA", lambda folder: _ids(folder / "train.list")[:LA_TRAIN] + _ids(folder / "test.list")[:LA_TEST])


@pytest.fixture(scope="session")
def acdc_folder() -> Path:
    """ACDC: all lists; at least the slices of the first 3 patients, and the first 2 validation and test volumes."""

    def wanted(folder: Path) -> list[str]:
        train = _ids(folder / "train.list")[: 2 * ACDC_PATIENTS]
        return train + _ids(folder / "val.list")[:ACDC_VOLUMES] + _ids(folder / "test.list")[:ACDC_VOLUMES]

    return _folder("ACDC", wanted)


@pytest.fixture(scope="session")
def hippocampus_folder() -> Path:
    """260 small 3D scans in NIfTI, 208 of them for training."""
    return _folder("hippocampus", None)


@pytest.fixture(scope="session")
def dicom_folder() -> Path:
    """DICOM of several makers: `series/` and `hippocampus/` with series that make a volume, `cannot/` with those that make none."""
    return _folder("dicom", None)


@pytest.fixture(scope="session")
def cluster() -> Iterator[list[Node]]:
    """A Ray cluster of this machine alone, which lends two CPUs."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install '.[ray]'")
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)  # else Ray leaves one in the home folder
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112, Ray's own spelling. 15 else, which on a busy machine is never
    import_ray()
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:  # a short path: it holds sockets
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR", _temp_dir=folder)
        yield connect("auto")
        ray.shutdown()


def _folder(name: str, wanted: Callable[[Path], list[str]] | None) -> Path:
    given = os.environ.get("SEMISEG_DATA")
    if given:
        if not (Path(given) / name).is_dir():
            pytest.skip(f"SEMISEG_DATA={given} has no folder {name}")
        return Path(given) / name
    if not UNPACK.is_file():
        pytest.skip(f"no real scans: set SEMISEG_DATA to a folder that holds {name}/")
    kept = Path(tempfile.gettempdir()) / f"semiseg-test-data-{os.getuid()}" / name
    if not kept.is_dir():
        _unpack(name, wanted, kept)
    return kept


def _unpack(name: str, wanted: Callable[[Path], list[str]] | None, kept: Path) -> None:
    """Unpack beside `kept`, then rename: another test process may do the same at once."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=kept.parent) as fresh:
        command = [sys.executable, str(UNPACK), fresh, name.lower()]
        if wanted is None:
            subprocess.run(command, check=True)
        else:
            subprocess.run([*command, "--only", "lists"], check=True)  # no case is called so: the lists alone
            subprocess.run([*command, "--only", *wanted(Path(fresh) / name)], check=True)
        if not kept.is_dir():
            (Path(fresh) / name).rename(kept)


def _ids(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()
