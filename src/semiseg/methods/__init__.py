"""Every method by its name."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from semiseg.errors import SettingsError, did_you_mean
from semiseg.methods.base import Method, MethodSettings, Stage, Step, Task
from semiseg.methods.bcp import BCP
from semiseg.methods.cml import CML
from semiseg.methods.cps import CPS
from semiseg.methods.dtc import DTC
from semiseg.methods.entropy_minimization import EntropyMinimization
from semiseg.methods.fixmatch import FixMatch
from semiseg.methods.mc_net import MCNet, MCNetPlus
from semiseg.methods.mcf import MCF
from semiseg.methods.mean_teacher import MeanTeacher
from semiseg.methods.sassnet import SASSNet
from semiseg.methods.self_training import SelfTraining
from semiseg.methods.ss_net import SSNet
from semiseg.methods.supervised import Supervised
from semiseg.methods.ua_mt import UAMT
from semiseg.methods.urpc import URPC

METHODS: dict[str, type[Method]] = {  # type: ignore[type-arg]
    "cml": CML,
    "mean-teacher": MeanTeacher,
    "bcp": BCP,
    "mc-net": MCNet,
    "mc-net+": MCNetPlus,
    "urpc": URPC,
    "ss-net": SSNet,
    "supervised": Supervised,
    "sassnet": SASSNet,
    "dtc": DTC,
    "mcf": MCF,
    "ua-mt": UAMT,
    "cps": CPS,
    "fixmatch": FixMatch,
    "self-training": SelfTraining,
    "entropy-minimization": EntropyMinimization,
}

__all__ = ["METHODS", "Method", "MethodSettings", "Stage", "Step", "Task", "find_method"]


def find_method(name: str) -> type[Method[Any]]:
    """The method that METHODS calls `name`, or a class of any module that Python finds, named `module:Class`.

    Raises:
        SettingsError: there is none.
    """
    if name in METHODS:
        return METHODS[name]
    module, colon, attribute = name.partition(":")
    if not colon or not all(part.isidentifier() for part in module.split(".")):
        raise SettingsError(f"no method is called {name!r}{did_you_mean(name, METHODS)}. There are: {', '.join(METHODS)}; or module:Class.")
    try:
        found = getattr(import_module(module), attribute, None)
    except ImportError as error:
        raise SettingsError(f"method {name!r}: {error}. Install the module, or name its folder in PYTHONPATH.") from error
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise SettingsError(f"method {name!r}: {module} has no class {attribute!r} derived from semiseg.methods.Method.")
    return found
