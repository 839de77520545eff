"""A training that is killed at any moment and resumed ends with the same weights, bit for bit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from training_kit import TINY, tiny_dataset

from semiseg.errors import RunFolderError, TrainingError
from semiseg.lock import alone
from semiseg.run_folder import RunFolder
from semiseg.training import checkpoint
from semiseg.training.log import read_log
from semiseg.training.train import resume, train

SCRIPT = """
import sys, yaml
from pathlib import Path
from semiseg.training.train import resume, train
folder, data, mode, layer = sys.argv[1:]
if mode == "train":
    train(Path(data), [yaml.safe_load(layer)], out=Path(folder), progress=False, checkpoint_seconds=0)
else:
    resume(Path(folder), progress=False, checkpoint_seconds=0)
"""


def same_weights(first: Path, second: Path) -> bool:
    one, other = load_file(first / "weights.safetensors"), load_file(second / "weights.safetensors")
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize("method", ["supervised", "cml"])
def test_a_run_that_ran_out_of_time_and_was_resumed_equals_an_unbroken_one(tmp_path: Path, method: str) -> None:
    layers = [TINY, {"method": method}]
    train(tiny_dataset(), layers, out=tmp_path / "whole", progress=False)
    stopped = train(tiny_dataset(), layers, out=tmp_path / "broken", max_seconds=0, progress=False)
    assert (stopped.finished, stopped.step) == (False, 1)  # no time left after the first step
    again = resume(tmp_path / "broken", data=tiny_dataset(), max_seconds=0, progress=False)
    assert again.step == 2
    done = resume(tmp_path / "broken", data=tiny_dataset(), progress=False)
    assert done.finished
    assert done.evaluation is not None
    assert same_weights(tmp_path / "whole", tmp_path / "broken")
    assert int(read_log(done.folder)[-1]["step"]) == 6


def test_a_run_killed_with_sigkill_at_any_step_and_resumed_equals_an_unbroken_one(tmp_path: Path) -> None:
    from semiseg.data.phantom import write_phantom

    write_phantom(tmp_path / "data", cases=4, labeled=2, test=1, shape=(20, 20, 20), classes=2, seed=0)
    layer = repr({**TINY, "method": "cml", "training": {**TINY["training"], "steps": 12}})
    train(
        tmp_path / "data",
        [{**TINY, "method": "cml", "training": {**TINY["training"], "steps": 12}}],
        out=tmp_path / "whole",
        progress=False,
    )
    mode, kills, rng = "train", 0, np.random.default_rng(0)
    while not (tmp_path / "killed" / "weights.safetensors").is_file():
        command = [sys.executable, "-c", SCRIPT, str(tmp_path / "killed"), str(tmp_path / "data"), mode, layer]
        process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
        before = states(tmp_path / "killed")
        while process.poll() is None and kills < 3:
            if states(tmp_path / "killed") > before:  # some step later than where this process began
                time.sleep(rng.uniform(0, 0.3))
                process.send_signal(signal.SIGKILL)
                kills += 1
                break
            time.sleep(0.01)
        process.wait()
        mode = "resume"
    assert kills == 3
    assert same_weights(tmp_path / "whole", tmp_path / "killed")


def states(folder: Path) -> int:
    """When the state was last written, in nanoseconds; 0 before."""
    file = folder / "state.pt"
    return file.stat().st_mtime_ns if file.is_file() else 0


def test_sigterm_saves_and_stops_cleanly(tmp_path: Path) -> None:
    from semiseg.data.phantom import write_phantom

    write_phantom(tmp_path / "data", cases=4, labeled=2, test=1, shape=(20, 20, 20), classes=2, seed=0)
    layer = repr({**TINY, "method": "supervised", "training": {**TINY["training"], "steps": 100000}})
    command = [sys.executable, "-c", SCRIPT, str(tmp_path / "run"), str(tmp_path / "data"), "train", layer]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"})
    while not states(tmp_path / "run"):
        assert process.poll() is None
        time.sleep(0.01)
    process.terminate()
    assert process.wait(timeout=60) == 0
    state = torch.load(tmp_path / "run" / "state.pt", weights_only=True)
    assert 0 < state["step"] < 100000


def test_a_full_disk_leaves_the_previous_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = train(tiny_dataset(), [TINY], out=tmp_path / "run", max_seconds=0, progress=False)
    before = stopped.folder.state.read_bytes()

    def full(*args: Any, **kwargs: Any) -> None:
        Path(args[1]).write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        resume(tmp_path / "run", data=tiny_dataset(), progress=False)
    assert stopped.folder.state.read_bytes() == before
    assert not list((tmp_path / "run").glob(".state*"))
    monkeypatch.undo()
    assert resume(tmp_path / "run", data=tiny_dataset(), progress=False).finished


@pytest.mark.skipif(os.name != "posix", reason="modes of files are POSIX's")
def test_colleagues_can_read_what_a_run_leaves(tmp_path: Path) -> None:
    usual = os.umask(0o022)
    try:
        train(tiny_dataset(), [TINY], out=tmp_path / "run", progress=False)
    finally:
        os.umask(usual)
    files = [path for path in (tmp_path / "run").rglob("*") if path.is_file()]
    assert {"weights.safetensors", "scores.json", "log.csv", "run.yaml"} <= {path.name for path in files}
    assert [path.name for path in files if path.stat().st_mode & 0o777 != 0o644] == []


def test_other_settings_or_other_cases_are_refused_by_name(tmp_path: Path) -> None:
    train(tiny_dataset(), [TINY], out=tmp_path / "run", max_seconds=0, progress=False)
    with pytest.raises(RunFolderError, match=r"training\.learning_rate \(0\.003 -> 0\.5\)"):
        resume(tmp_path / "run", [{"training": {"learning_rate": 0.5}}], data=tiny_dataset(), progress=False)
    with pytest.raises(RunFolderError, match="other cases"):
        resume(tmp_path / "run", data=tiny_dataset(cases=5), progress=False)


def test_a_folder_that_exists_is_not_written_to(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="exists already"):
        train(tiny_dataset(), [TINY], out=tmp_path, progress=False)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_two_processes_do_not_train_in_one_folder(tmp_path: Path) -> None:
    stopped = train(tiny_dataset(), [TINY], out=tmp_path / "run", max_seconds=0, progress=False)
    (stopped.folder.path / ".state.pt.0123").touch()  # a kill left it
    with alone(tmp_path / "run" / ".run.lock", tmp_path / "run"), pytest.raises(RunFolderError, match="another process is at work here"):
        resume(tmp_path / "run", data=tiny_dataset(), progress=False)
    assert resume(tmp_path / "run", data=tiny_dataset(), max_seconds=0, progress=False).step == 2
    assert not (stopped.folder.path / ".state.pt.0123").exists()


def test_a_damaged_state_says_so(tmp_path: Path) -> None:
    stopped = train(tiny_dataset(), [TINY], out=tmp_path / "run", max_seconds=0, progress=False)
    stopped.folder.state.write_bytes(stopped.folder.state.read_bytes()[:1000])
    with pytest.raises(RunFolderError, match="cannot be resumed from"):
        resume(tmp_path / "run", data=tiny_dataset(), progress=False)


def test_checkpoint_of_nothing_starts_at_step_0(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert checkpoint.restore(folder.state, torch.nn.Linear(1, 1), {}, torch.device("cpu")).step == 0
