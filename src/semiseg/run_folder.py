"""The folder that a run leaves behind: it describes itself, and prediction needs nothing else."""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import yaml
from safetensors.torch import load_file, save
from torch import Tensor, nn

from semiseg.config import Run, validated
from semiseg.errors import RunFolderError, SettingsError, TrainingError
from semiseg.writable import refuse_unwritable


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its place only when it is whole.

    Raises:
        TrainingError: the disk is full or not writable; what stood at `path` is untouched.
    """
    temporary = path.with_name(f".{path.name}.{uuid4().hex}")  # not mkstemp, whose files nobody else may read
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, RuntimeError) as error:  # torch.save reports a full disk as RuntimeError
        raise TrainingError(
            f"{path}: could not be written ({error}). The previous one, if any, is kept: make room and resume the run."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


@dataclass(frozen=True)
class RunFolder:
    """Paths and files of one run."""

    path: Path

    @property
    def weights(self) -> Path:
        return self.path / "weights.safetensors"

    @property
    def selected_weights(self) -> Path:
        """Of the look that was best; only where the run's protocol looks."""
        return self.path / "weights-selected.safetensors"

    @property
    def state(self) -> Path:
        """Everything that resuming needs."""
        return self.path / "state.pt"

    @property
    def log(self) -> Path:
        return self.path / "log.csv"

    @property
    def predictions(self) -> Path:
        return self.path / "predictions"

    @staticmethod
    def create(path: Path, run: Run, split: Mapping[str, Sequence[str]] | None = None, plan: Mapping[str, Any] | None = None) -> RunFolder:
        """A new run folder: the resolved run, which cases are for what, and why the run is so. run.yaml comes last: where it is, all is.

        Raises:
            RunFolderError: the folder exists and is not empty.
        """
        refuse_existing(path)
        folder = RunFolder(path)
        folder.write_json("environment.json", environment())
        for name, known in (("split.json", split), ("plan.json", plan)):
            if known is not None:
                folder.write_json(name, known)
        folder.write_text("run.yaml", run.to_yaml())
        return folder

    def discard_unbegun(self) -> None:
        """Remove the folder if no step was made in it, so that its name is free for another try."""
        if not self.state.exists() and not self.weights.exists():
            shutil.rmtree(self.path)

    @staticmethod
    def open(path: Path) -> RunFolder:
        """An existing run folder.

        Raises:
            RunFolderError: no run.yaml there.
        """
        if not (path / "run.yaml").is_file():
            raise RunFolderError(f"{path}: not a run folder (it has no run.yaml).")
        return RunFolder(path)

    def run(self) -> Run:
        """The resolved run, as it was trained."""
        try:
            return validated(yaml.safe_load((self.path / "run.yaml").read_text(encoding="utf-8")))
        except (SettingsError, yaml.YAMLError, KeyError, TypeError) as error:
            raise RunFolderError(f"{self.path / 'run.yaml'}: not a run that this version reads: {error}") from error

    def write_text(self, name: str, text: str) -> None:
        with replacing(self.path / name) as temporary:
            temporary.write_text(text, encoding="utf-8")

    def write_json(self, name: str, value: Any) -> None:
        self.write_text(name, json.dumps(value, indent=2, allow_nan=False) + "\n")

    def read_json(self, name: str) -> Any:
        path = self.path / name
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None

    def save_weights(self, method: nn.Module, selected: bool = False) -> None:
        """The method's networks and buffers as safetensors: those of the last step, or those of the best look."""
        tensors: dict[str, Tensor] = {name: tensor.detach().contiguous() for name, tensor in method.state_dict().items()}
        with replacing(self.selected_weights if selected else self.weights) as temporary:
            temporary.write_bytes(save(tensors, {"semiseg": version("semiseg")}))  # not save_file, whose file nobody else may read

    def load_weights(self, method: nn.Module, selected: bool = False) -> None:
        """Load what `save_weights` wrote.

        Raises:
            RunFolderError: the run has no such weights, or they are of other networks.
        """
        if not self.weights.is_file():
            raise RunFolderError(
                f"{self.path}: has no weights.safetensors: the run is not finished. Go on with `semiseg train --resume {self.path}`."
            )
        file = self.selected_weights if selected else self.weights
        if not file.is_file():
            raise RunFolderError(f"{self.path}: selected no weights: it was trained without looks. Use those of its last step.")
        try:
            method.load_state_dict(load_file(file))
        except RuntimeError as error:
            raise RunFolderError(f"{file}: does not fit the networks that run.yaml describes: {error}") from error


def refuse_existing(path: Path) -> None:
    """To be asked before hours of preparation.

    Raises:
        RunFolderError: a new run would write into what is there.
        SettingsError: nothing can be written there.
    """
    if path.exists() and (not path.is_dir() or any(path.iterdir())):
        raise RunFolderError(f"{path}: exists already. Go on with it by --resume, or choose another folder with --out.")
    refuse_unwritable(path, "--out", folder=True)


def environment() -> dict[str, str]:
    """What a result depends on besides the run: versions and machine."""
    packages = {name: version(name) for name in ("semiseg", "torch", "numpy", "lightning-fabric")}
    return {**packages, "python": platform.python_version(), "platform": platform.platform(), "threads": str(os.cpu_count())}
