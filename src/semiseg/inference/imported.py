"""Makes a run folder out of weights that the authors' code of CML saved, so that they predict like our own."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from semiseg.config import Run, make_run, read_layers
from semiseg.errors import DataError
from semiseg.methods.cml import CML
from semiseg.networks import UNet, VNet
from semiseg.networks.released import load_released
from semiseg.run_folder import RunFolder

PUBLISHED: dict[int, tuple[str, dict[str, Any]]] = {
    2: ("acdc", {"preparation": {"slice_axis": 0}}),
    3: ("la", {}),
}
"""Dimensions -> the published run that such weights come from, and what its data set adds (ACDC volumes are (slices, H, W))."""

NOT_A_STATE_DICT = "not a plain state dict of PyTorch"
WAY_OUT = "Save the network's state_dict() alone."
MORE_THAN_TENSORS = (
    "it is damaged, or holds objects beside tensors, which are not opened here because opening them may run any code that is in the file"
)


def import_weights(file: Path | str, out: Path | str, classes: Sequence[str] = ()) -> RunFolder:
    """A run folder that predicts with released CML weights: the 3D V-Net pair (LA) or the 2D U-Net (ACDC).

    Patch, stride, preparation and settings are those of the published run; scans have to come as that data set packs them.

    Args:
        file: the `.pth` of the authors' code.
        out: the run folder to make.
        classes: names of the foreground classes; `class_1`, ... if empty.

    Raises:
        DataError: the file is missing, is not a plain state dict, is not of those networks, or has another number of classes.
        RunFolderError: `out` exists and is not empty.
    """
    file, out = Path(file), Path(out)
    try:
        views, description = load_released(_read(file))
    except DataError as error:
        raise DataError(f"{file}: {error}") from error
    if classes and len(classes) != description.classes - 1:
        named = f"{len(classes)} classes were named ({', '.join(classes)})"
        raise DataError(f"{file}: {named}, but the weights have {description.classes - 1} foreground classes.")
    assert isinstance(description, UNet | VNet)
    run = _published_run(description, tuple(classes) or tuple(f"class_{k}" for k in range(1, description.classes)))
    method = run.build()
    assert isinstance(method, CML)
    method.views.load_state_dict(views.state_dict())
    folder = RunFolder.create(out, run)
    folder.save_weights(method)
    return folder


def _read(file: Path) -> dict[str, Any]:
    try:
        state = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise DataError("no such file.") from error
    except pickle.UnpicklingError as error:  # whose text tells people to load it without the safeguard
        raise DataError(f"{NOT_A_STATE_DICT} ({MORE_THAN_TENSORS}). {WAY_OUT}") from error
    except (RuntimeError, EOFError, OSError) as error:
        said = next(iter(str(error).splitlines()), "it ends too early")
        raise DataError(f"{NOT_A_STATE_DICT} ({said}). {WAY_OUT}") from error
    if not isinstance(state, dict):
        raise DataError(f"{NOT_A_STATE_DICT} (but of type {type(state).__name__}). {WAY_OUT}")
    return state


def _published_run(description: UNet | VNet, classes: tuple[str, ...]) -> Run:
    name, of_the_data = PUBLISHED[description.dimensions]
    found = {
        "method": "cml",
        "settings": {"variant": "released"},
        "network": {"width": description.width},
        "data": {"labeled": None, "channels": description.channels, "classes": classes},
    }
    return make_run(read_layers(name), of_the_data, found)
