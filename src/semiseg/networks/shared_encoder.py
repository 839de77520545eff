"""One encoder with several decoders: what MC-Net trains."""

from __future__ import annotations

from torch import Tensor, nn

from semiseg.networks.description import Description


class SharedEncoder(nn.Module):
    """An encoder whose features go to several decoders, which differ in how they up-sample.

    Args:
        description: of the network; its `ups` name the decoders.
        decoders: how many; the first of `ups`.

    Source: Wu et al., MICCAI 2021 (MC-Net, two decoders) and MedIA 2022 (MC-Net+, three).
    """

    def __init__(self, description: Description, decoders: int) -> None:
        super().__init__()
        self.encoder = description.encoder()
        self.decoders = nn.ModuleList(description.decoder(up) for up in description.ups[:decoders])

    def forward(self, x: Tensor) -> list[Tensor]:
        """(B, C, *S) -> the logits of each decoder. (B, K, *S) each"""
        features = self.encoder(x)
        return [decoder(features) for decoder in self.decoders]

    def first(self, x: Tensor) -> Tensor:
        """(B, C, *S) -> the logits of the first decoder alone. (B, K, *S)"""
        logits: Tensor = self.decoders[0](self.encoder(x))
        return logits
