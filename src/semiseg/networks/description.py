"""What is said of a network before it is built, so that methods, runs and files can speak of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Protocol

from torch import nn

from semiseg.errors import SettingsError
from semiseg.networks.encoder_decoder import DIVISOR, LEVELS, Decoder, Network
from semiseg.networks.layers import LAYERS, Layers, Up


class Description(Protocol):
    """A network as a value: its sizes, and how to build it and its parts with fresh weights."""

    @property
    def dimensions(self) -> int:
        """Spatial dimensions of the input, 2 or 3."""

    @property
    def channels(self) -> int:
        """Channels C of the input."""

    @property
    def classes(self) -> int:
        """Classes K, background included."""

    @property
    def widths(self) -> list[int]:
        """Channels of the encoder's features, from shallow to deep."""

    @property
    def ups(self) -> tuple[Up, ...]:
        """Up-sampling of the first, second and third decoder, in the order in which the field adds them."""

    @property
    def divisor(self) -> int:
        """Every side of an input must be a multiple of this."""

    def encoder(self) -> nn.Module:
        """(B, C, *S) -> features from shallow to deep, a list; the last is the bottleneck."""

    def decoder(self, up: Up, classes: int | None = None) -> Decoder:
        """The encoder's features -> logits (B, K, *S), with `classes` in place of the description's where given."""

    def network(self, up: Up | None = None) -> Network:
        """An encoder and a decoder joined; `up` is the first of `ups` unless given."""


@dataclass(frozen=True)
class FiveLevels:
    """What the two descriptions share: sizes, and their checks.

    Attributes:
        dimensions: spatial dimensions of the input, 2 or 3.
        channels: C of the input.
        classes: K, background included.
        width: channels of the first level; each deeper level doubles them.

    Raises:
        SettingsError: a size is out of range.
    """

    dimensions: int
    channels: int
    classes: int
    width: int = 16

    ups: ClassVar[tuple[Up, ...]]
    divisor: ClassVar[int] = DIVISOR

    def __post_init__(self) -> None:
        if self.dimensions not in LAYERS:
            raise SettingsError(f"a network of {self.dimensions} dimensions was asked for; expected 2 or 3.")
        for name, value in [("channels", self.channels), ("classes", self.classes), ("width", self.width)]:
            if value < 1:
                raise SettingsError(f"{name} of the network is {value}; expected 1 or more.")

    @property
    def widths(self) -> list[int]:
        """Channels at each level, from shallow to deep."""
        return [self.width * 2**level for level in range(LEVELS)]

    @property
    def layers(self) -> Layers:
        """The layer classes for these dimensions."""
        return LAYERS[self.dimensions]

    def encoder(self) -> nn.Module:
        raise NotImplementedError

    def decoder(self, up: Up, classes: int | None = None) -> Decoder:
        raise NotImplementedError

    def network(self, up: Up | None = None) -> Network:
        """An encoder and a decoder joined; `up` is the first of `ups` unless given."""
        return Network(self.encoder(), self.decoder(up or self.ups[0]))
