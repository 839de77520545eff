"""Semi-supervised segmentation of medical scans: the public names, each imported when it is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from semiseg.case import Batch, Case, Geometry
    from semiseg.data.arrays import from_arrays
    from semiseg.evaluation.evaluate import evaluate
    from semiseg.inference.predictor import load
    from semiseg.methods import METHODS, Method
    from semiseg.training.train import train

__all__ = ["METHODS", "Batch", "Case", "Geometry", "Method", "__version__", "evaluate", "from_arrays", "load", "train"]

_HOMES = {
    "METHODS": "semiseg.methods",
    "Batch": "semiseg.case",
    "Case": "semiseg.case",
    "Geometry": "semiseg.case",
    "Method": "semiseg.methods",
    "evaluate": "semiseg.evaluation.evaluate",
    "from_arrays": "semiseg.data.arrays",
    "load": "semiseg.inference.predictor",
    "train": "semiseg.training.train",
}
"""Public name -> the module that defines it. PyTorch takes seconds to import, and `semiseg --help` does not need it."""


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("semiseg")
    if name not in _HOMES:
        raise AttributeError(f"module 'semiseg' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
