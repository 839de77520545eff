"""The state that a training resumes from, written so that a kill at any moment leaves a whole one."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from semiseg.errors import RunFolderError
from semiseg.run_folder import replacing

SHARE = 0.02
"""Of the time that saving may take: what makes states frequent where they are small."""
Optimizers = dict[str, Optimizer]


@dataclass(frozen=True)
class Look:
    """What the weights scored at one step. `dice`: mean over classes and cases; `seconds`: what the look took."""

    step: int
    stage: str
    dice: float
    seconds: float


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: steps done.
        seconds: time spent on them in all sittings, looks not counted.
        looks: all so far.
    """

    step: int = 0
    seconds: float = 0.0
    looks: list[Look] = field(default_factory=list)


def save(path: Path, method: nn.Module, optimizers: Optimizers, progress: Progress) -> None:
    """Write weights, buffers, optimiser states and progress.

    Raises:
        TrainingError: no room; the previous state is kept.
    """
    state = {
        **asdict(progress),
        "method": method.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
    }
    with replacing(path) as temporary:
        torch.save(state, temporary)


def restore(path: Path, method: nn.Module, optimizers: Optimizers, device: torch.device) -> Progress:
    """Load what `save` wrote, in place; without such a file a training starts at step 0.

    Raises:
        RunFolderError: the state is damaged or belongs to other networks.
    """
    if not path.is_file():
        return Progress()
    try:
        state = torch.load(path, map_location=device, weights_only=True)
        method.load_state_dict(state["method"])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
    except (RuntimeError, KeyError, ValueError, EOFError) as error:
        raise RunFolderError(f"{path}: cannot be resumed from: {error}") from error
    return Progress(state["step"], state["seconds"], [Look(**look) for look in state.get("looks", ())])


class Saver:
    """Saves states as often as that takes no more than `SHARE` of the time, and not less often than every so many seconds.

    Args:
        path: of the state.
        most: seconds between two states at most, whatever they cost.
    """

    def __init__(self, path: Path, most: float) -> None:
        self.path, self.most = path, most
        self.cost, self.saved = 0.0, time.monotonic()

    def due(self) -> bool:
        """Whether to save after this step; the first state is saved after the first step, which shows what one costs."""
        return time.monotonic() - self.saved >= min(self.most, self.cost / SHARE)

    def save(self, method: nn.Module, optimizers: Optimizers, progress: Progress) -> None:
        """`save`, timed."""
        began = time.monotonic()
        save(self.path, method, optimizers, progress)
        self.saved = time.monotonic()
        self.cost = self.saved - began
