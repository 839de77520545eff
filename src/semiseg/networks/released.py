"""Reads the weights of the released CML code: its pair of 3D V-Nets (LA) and its 2D U-Net (ACDC)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from semiseg.errors import DataError
from semiseg.networks.description import Description
from semiseg.networks.two_views import TwoViews
from semiseg.networks.unet import UNet
from semiseg.networks.vnet import VNet

_STAGES = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_HEAD = "decoder1.out_conv.weight"


@dataclass(frozen=True)
class Release:
    """How one released network names its parameters.

    Attributes:
        build: our description of it.
        shared: one encoder and one decoder serve both views.
        parts: our name of each encoder and decoder -> theirs.
        layers: our prefix of a layer within an encoder or decoder -> theirs.
        unused: prefixes of theirs that take no part in their forward pass.
    """

    build: type[VNet] | type[UNet]
    shared: bool
    parts: dict[str, str]
    layers: dict[str, str]
    unused: tuple[str, ...] = ()

    def their_name(self, ours: str) -> str:
        """encoder1.stages.0.0.weight -> encoder1.block_one.conv.0.weight"""
        part, _, rest = ours.partition(".")
        within = f"{part[:-1]}.{rest}"  # encoder1 and encoder2 are alike inside
        prefix = next(p for p in self.layers if within.startswith(p + "."))
        return f"{self.parts[part]}.{self.layers[prefix]}{within.removeprefix(prefix)}"

    @property
    def first(self) -> str:
        """Their name of the first convolution's weight; it tells the releases apart and shows the input's channels."""
        return self.their_name("encoder1.stages.0.0.weight")


VNET_PAIR = Release(
    build=VNet,
    shared=False,
    parts={part: part for part in ("encoder1", "encoder2", "decoder1", "decoder2")},
    layers={
        **{f"encoder.stages.{i}": f"block_{stage}.conv" for i, stage in enumerate(_STAGES[:5])},
        **{f"encoder.downs.{i}": f"block_{stage}_dw.conv" for i, stage in enumerate(_STAGES[:4])},
        **{f"decoder.ups.{i}": f"block_{stage}_up.conv" for i, stage in enumerate(_STAGES[4:8])},
        **{f"decoder.stages.{i}": f"block_{stage}.conv" for i, stage in enumerate(_STAGES[5:])},
        "decoder.head": "out_conv",
    },
)
SHARED_UNET = Release(
    build=UNet,
    shared=True,
    parts={"encoder1": "encoder", "decoder1": "decoder1"},
    layers={
        "encoder.stages.0": "in_conv.conv_conv",
        **{f"encoder.stages.{i}": f"down{i}.maxpool_conv.1.conv_conv" for i in range(1, 5)},
        **{f"decoder.ups.{i}.0": f"up{i + 1}.conv1x1" for i in range(4)},
        **{f"decoder.stages.{i}": f"up{i + 1}.conv.conv_conv" for i in range(4)},
        "decoder.head": "out_conv",
    },
    unused=("decoder2.",),
)


def load_released(state: Mapping[str, Any]) -> tuple[TwoViews, Description]:
    """Builds the pair that a released CML state dict belongs to, with its weights.

    Of the released 2D network, what its forward pass uses: one encoder and the first decoder (`shared=True`).

    Args:
        state: names to tensors, or a checkpoint that holds these under "net" or "state_dict"; names may begin with "module.".

    Raises:
        DataError: the names or shapes are of neither network.
    """
    state = _unwrapped(state)
    release = _recognized(state)
    description = _described(release, state)
    views = TwoViews(description, shared=release.shared)
    names = {ours: release.their_name(ours) for ours in views.state_dict()}
    _check(state, {names[ours]: value for ours, value in views.state_dict().items()}, release.unused)
    views.load_state_dict({ours: state[theirs] for ours, theirs in names.items()})
    return views, description


def _unwrapped(state: Mapping[str, Any]) -> dict[str, Tensor]:
    for key in ("net", "state_dict"):
        if isinstance(state.get(key), Mapping):
            state = state[key]
    return {name.removeprefix("module."): value for name, value in state.items() if isinstance(value, Tensor)}


def _recognized(state: Mapping[str, Tensor]) -> Release:
    for release in (VNET_PAIR, SHARED_UNET):
        if release.first in state and _HEAD in state:
            return release
    raise DataError(
        f"weights: neither the released 3D V-Net pair of CML (has {VNET_PAIR.first} and {_HEAD}) nor its 2D U-Net "
        f"(has {SHARED_UNET.first} and {_HEAD}); found {_few(state)}."
    )


def _described(release: Release, state: Mapping[str, Tensor]) -> VNet | UNet:
    first, classes = state[release.first], state[_HEAD].shape[:1].numel()
    if first.ndim not in (4, 5):
        raise DataError(f"weights: {release.first} has shape {tuple(first.shape)}; expected a 2D or 3D convolution.")
    width, channels = first.shape[:2]
    return release.build(dimensions=first.ndim - 2, channels=channels, classes=classes, width=width)


def _check(state: Mapping[str, Tensor], expected: Mapping[str, Tensor], unused: tuple[str, ...]) -> None:
    """Raises one DataError for all that is missing, unknown or of another shape."""
    faults = {
        "missing": [name for name in expected if name not in state],
        "unknown": [name for name in state if name not in expected and not name.startswith(unused)],
        "of another shape": [name for name, value in expected.items() if name in state and state[name].shape != value.shape],
    }
    found = [f"{len(names)} {fault} ({_few(names)})" for fault, names in faults.items() if names]
    if found:
        raise DataError(f"weights: like a released CML network, but {'; '.join(found)}. Load the file as the authors' code saved it.")


def _few(names: Iterable[str]) -> str:
    first = list(names)[:4]
    return ", ".join(first[:3]) + (", ..." if len(first) > 3 else "") if first else "no names"
