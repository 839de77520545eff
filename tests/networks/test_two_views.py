from __future__ import annotations

import torch

from semiseg.networks import TwoViews, UNet, VNet


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_those_of_two_networks() -> None:
    assert count(TwoViews(VNet(3, 1, 2))) == 19_724_612
    assert count(TwoViews(UNet(2, 1, 4))) == 3_758_088
    assert count(TwoViews(UNet(2, 1, 4), shared=True)) == 1_813_764  # as released: what is used of it


def test_each_view_is_its_own_encoder_and_decoder() -> None:
    views = TwoViews(VNet(3, 1, 2, width=4)).eval()
    assert views.encoder2 is not None
    assert views.decoder2 is not None
    x = torch.randn(2, 1, 16, 32, 16)
    logits1, logits2, bottleneck1, bottleneck2 = views(x)
    assert logits1.shape == logits2.shape == (2, 2, 16, 32, 16)
    assert bottleneck1.shape == bottleneck2.shape == (2, 64, 1, 2, 1)
    features1, features2 = views.encoder1(x), views.encoder2(x)
    assert torch.equal(logits1, views.decoder1(features1))
    assert torch.equal(logits2, views.decoder2(features2))
    assert torch.equal(bottleneck1, features1[-1])
    assert torch.equal(bottleneck2, features2[-1])


def test_the_views_up_sample_differently() -> None:
    views = TwoViews(VNet(3, 1, 2, width=4))
    kinds = [{type(module).__name__ for module in decoder.modules()} for decoder in (views.decoder1, views.decoder2) if decoder is not None]
    assert ["ConvTranspose3d" in kind for kind in kinds] == [True, False]


def test_shared_views_differ_by_dropout_alone() -> None:
    views = TwoViews(UNet(2, 1, 4, width=4), shared=True)
    x = torch.randn(2, 1, 32, 48)
    logits1, logits2, bottleneck1, bottleneck2 = views(x)
    assert not torch.equal(logits1, logits2)
    assert not torch.equal(bottleneck1, bottleneck2)
    logits1, logits2, bottleneck1, bottleneck2 = views.eval()(x)
    assert torch.equal(logits1, logits2)
    assert torch.equal(bottleneck1, bottleneck2)
