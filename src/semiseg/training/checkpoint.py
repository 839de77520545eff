"""The state that a training resumes from, written so that a kill at any moment leaves a whole one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import Optimizer

from semiseg.errors import RunFolderError
from semiseg.run_folder import RunFolder, replacing


@dataclass
class Progress:
    """How far a training has come. `seconds`: time spent in all sittings."""

    step: int = 0
    seconds: float = 0.0


def save(folder: RunFolder, method: nn.Module, optimizers: dict[str, Optimizer], progress: Progress) -> None:
    """Write weights, buffers, optimiser states and progress.

    Raises:
        TrainingError: no room; the previous state is kept.
    """
    state = {
        "step": progress.step,
        "seconds": progress.seconds,
        "method": method.state_dict(),
        "optimizers": {name: optimizer.state_dict() for name, optimizer in optimizers.items()},
    }
    with replacing(folder.state) as temporary:
        torch.save(state, temporary)


def restore(folder: RunFolder, method: nn.Module, optimizers: dict[str, Optimizer], device: torch.device) -> Progress:
    """Load what `save` wrote, in place; a folder without a state starts at step 0.

    Raises:
        RunFolderError: the state is damaged or belongs to other networks.
    """
    if not folder.state.is_file():
        return Progress()
    try:
        state = torch.load(folder.state, map_location=device, weights_only=True)
        method.load_state_dict(state["method"])
        for name, optimizer in optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
    except (RuntimeError, KeyError, ValueError, EOFError) as error:
        raise RunFolderError(f"{folder.state}: cannot be resumed from: {error}") from error
    return Progress(state["step"], state["seconds"])
