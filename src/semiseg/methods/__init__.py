"""Every method by its name."""

from semiseg.methods.base import Method, MethodSettings, Stage, Step, Task
from semiseg.methods.bcp import BCP
from semiseg.methods.cml import CML
from semiseg.methods.mc_net import MCNet, MCNetPlus
from semiseg.methods.supervised import Supervised

METHODS: dict[str, type[Method]] = {  # type: ignore[type-arg]
    "cml": CML,
    "bcp": BCP,
    "mc-net": MCNet,
    "mc-net+": MCNetPlus,
    "supervised": Supervised,
}

__all__ = ["METHODS", "Method", "MethodSettings", "Stage", "Step", "Task"]
