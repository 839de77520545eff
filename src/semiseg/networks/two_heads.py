"""One network with two heads, labels and signed distances: what DTC and SASSNet train."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from semiseg.networks.description import Description
from semiseg.networks.encoder_decoder import Network


class TwoHeads(nn.Module):
    """A network whose last features feed a segmentation head and a head for signed distance maps.

    Each head has one channel a foreground class, so that the background's logit is 0: with two classes, the softmax of the logits is the
    sigmoid of the papers. As in the released V-Net (9,448,866 parameters in 3D with 1 channel and 2 classes).

    Source: Luo et al., AAAI 2021 (DTC); Li et al., MICCAI 2020 (SASSNet).
    """

    def __init__(self, description: Description) -> None:
        super().__init__()
        channels = 2 * (description.classes - 1)
        self.network = Network(description.encoder(), description.decoder(description.ups[0], classes=channels))

    def set_class_prior(self, shares: Tensor) -> None:
        """Let the segmentation head begin with these probabilities (K,)."""
        bias = self.network.decoder.head.get_parameter("bias")
        with torch.no_grad():
            bias.chunk(2)[1].copy_((shares[1:] / shares[0]).log())

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, *S) -> logits (B, K, *S), and signed distance maps in [-1, 1] (B, K - 1, *S)."""
        distances, foreground = self.network(x).chunk(2, dim=1)
        logits = torch.cat([torch.zeros_like(foreground[:, :1]), foreground], dim=1)
        return logits, distances.tanh()
