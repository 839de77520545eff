"""Two networks that look at one image: the pair that CML trains."""

from __future__ import annotations

from torch import Tensor, nn

from semiseg.networks.description import Description


class TwoViews(nn.Module):
    """Two encoders, each with a decoder of its own kind (CML, Wu et al., ACM MM 2024, and its released 3D code).

    Args:
        description: of the two networks; they differ in how they up-sample, the first and second of its `ups`.
        shared: as the released 2D code has it, in effect: one encoder and one decoder, run twice. In training the two
            runs differ by dropout alone, in evaluation not at all; then `encoder2` and `decoder2` are None.
    """

    def __init__(self, description: Description, shared: bool = False) -> None:
        super().__init__()
        first, second, *_ = description.ups
        self.encoder1 = description.encoder()
        self.decoder1 = description.decoder(first)
        self.encoder2 = None if shared else description.encoder()
        self.decoder2 = None if shared else description.decoder(second)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """(B, C, *S) -> logits of both views (B, K, *S), bottleneck features of both (B, width * 16, *S / 16)."""
        features1 = self.encoder1(x)
        features2 = (self.encoder2 or self.encoder1)(x)
        logits1 = self.decoder1(features1)
        logits2 = (self.decoder2 or self.decoder1)(features2)
        return logits1, logits2, features1[-1], features2[-1]
