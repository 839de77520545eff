from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from semiseg.errors import SettingsError
from semiseg.networks import Description, InstanceUNet, UNet, VNet
from semiseg.networks.encoder_decoder import check_sides
from semiseg.networks.layers import Up, interpolation

NARROW: list[Description] = [
    VNet(2, 1, 4, width=4),
    VNet(3, 2, 3, width=4),
    UNet(2, 1, 4, width=4),
    UNet(3, 2, 3, width=4),
    InstanceUNet(3, 2, 3, width=4),
]
MKLDNN = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
UPS: list[Up] = ["transposed", "linear", "nearest"]


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def image(description: Description, side: int = 32) -> Tensor:
    return torch.randn(2, description.channels, *[side, 16, 48][: description.dimensions])


def test_vnet_has_the_parameters_of_the_field() -> None:
    vnet = VNet(dimensions=3, channels=1, classes=2)
    assert count(vnet.encoder()) == 7_376_896
    assert [count(vnet.decoder(up)) for up in vnet.ups] == [2_071_970, 2_898_850, 2_898_850]
    assert count(vnet.network()) == 9_448_866
    assert count(vnet.encoder()) + sum(count(vnet.decoder(up)) for up in vnet.ups[:2]) == 12_347_716  # MC-Net
    assert count(vnet.encoder()) + sum(count(vnet.decoder(up)) for up in vnet.ups) == 15_246_566  # MC-Net+


def test_instance_unet_has_the_parameters_of_the_field() -> None:
    unet = InstanceUNet(dimensions=3, channels=1, classes=2)
    assert count(unet.encoder()) == 3_533_456
    assert count(unet.decoder("linear")) == 2_350_594
    assert count(unet.network()) == 5_884_050
    weight = next(unet.encoder().parameters())
    assert weight.std().item() == pytest.approx((2 / 27) ** 0.5, rel=0.15)  # Kaiming, fan-in 27
    x = torch.randn(2, 4, 5, 6, 7)
    torch.testing.assert_close(InstanceUNet(3, 4, 2, width=4).encoder().stages[0][1](x), nn.InstanceNorm3d(4)(x))  # type: ignore[index]


def test_unet_has_the_parameters_of_the_field() -> None:
    unet = UNet(dimensions=2, channels=1, classes=4)
    assert count(unet.encoder()) == 1_180_464
    assert [count(unet.decoder(up)) for up in unet.ups] == [633_300, 763_860, 633_300]
    assert count(unet.network()) == 1_813_764
    assert count(unet.encoder()) + sum(count(unet.decoder(up)) for up in unet.ups[:2]) == 2_577_624  # MC-Net
    assert count(unet.encoder()) + sum(count(unet.decoder(up)) for up in unet.ups) == 3_210_924  # MC-Net+


def test_unet_drops_less_at_shallow_levels_as_published_or_nothing() -> None:
    for dropout, expected in ((0.5, [0.05, 0.1, 0.2, 0.3, 0.5]), (0.0, 5 * [0.0])):
        encoder = UNet(2, 1, 2, width=4, dropout=dropout).encoder()
        assert [layer.p for layer in encoder.modules() if isinstance(layer, nn.Dropout)] == pytest.approx(expected)


@pytest.mark.parametrize("description", NARROW, ids=str)
@pytest.mark.parametrize("up", UPS)
def test_features_halve_and_double_and_logits_have_the_sides_of_the_image(description: Description, up: Up) -> None:
    x = image(description)
    network = description.network(up).eval()
    features = network.encoder(x)
    sides = x.shape[2:]
    assert [f.shape for f in features] == [(2, 4 * 2**i, *[side // 2**i for side in sides]) for i in range(5)]
    assert network.decoder.features(features).shape == (2, 4, *sides)
    assert torch.equal(network.decoder.head(network.decoder.features(features)), network(x))
    assert network(x).shape == (2, description.classes, *sides)


@pytest.mark.parametrize("description", NARROW, ids=str)
def test_evaluation_is_deterministic_and_training_is_not(description: Description) -> None:
    x, network = image(description), description.network()
    assert not torch.equal(network(x), network(x))  # dropout
    network.eval()
    assert torch.equal(network(x), network(x))


@pytest.mark.parametrize("description", NARROW, ids=str)
@pytest.mark.parametrize("up", UPS)
def test_every_parameter_learns(description: Description, up: Up) -> None:
    network = description.network(up)
    network(image(description)).square().mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


def test_vnet_drops_whole_channels_at_the_bottleneck_and_before_the_head() -> None:
    network = VNet(3, 1, 2, width=8, dropout=0.5).network()
    x = torch.randn(1, 1, 32, 32, 32)
    features = network.encoder(x)
    for dropped in (features[-1], network.decoder.features(features)):
        empty = (dropped == 0).flatten(2).all(2).float().mean()
        assert 0 < empty < 1
    kept = VNet(3, 1, 2, width=8, dropout=0.0).network()
    assert torch.equal(kept(x), kept(x))


def test_a_decoder_may_have_classes_of_its_own() -> None:
    vnet = VNet(3, 1, 2, width=4)
    features = vnet.encoder()(torch.zeros(2, 1, 16, 16, 16))
    assert vnet.decoder("linear", classes=1)(features).shape == (2, 1, 16, 16, 16)


def test_linear_up_sampling_aligns_the_corners() -> None:
    up = interpolation(2, "linear")
    assert up(torch.tensor([[[[0.0, 3.0]]]]))[0, 0, 0].tolist() == [0, 1, 2, 3]  # 2 -> 4 points over the same stretch


def test_a_side_that_is_no_multiple_of_16_is_named() -> None:
    with pytest.raises(SettingsError, match=r"32 x 40 voxels: side 40 is not a multiple of 16. Use 48"):
        UNet(2, 1, 2, width=1).network()(torch.zeros(1, 1, 32, 40))
    with pytest.raises(SettingsError, match="32 x 32 voxels: the network expects 3 sides"):
        VNet(3, 1, 2, width=1).network()(torch.zeros(1, 1, 32, 32))


def test_sizes_out_of_range_are_named() -> None:
    with pytest.raises(SettingsError, match="4 dimensions"):
        VNet(4, 1, 2)
    with pytest.raises(SettingsError, match="classes of the network is 0"):
        UNet(2, 1, 0)


@pytest.mark.parametrize("description", NARROW, ids=str)
def test_a_network_can_be_copied_and_pickled(description: Description) -> None:
    network = description.network().eval()
    x = image(description)
    assert torch.equal(copy.deepcopy(network)(x), network(x))
    assert torch.equal(pickle.loads(pickle.dumps(network))(x), network(x))


@pytest.mark.skipif(not MKLDNN, reason="PyTorch's other CPU convolutions know no channels-last in 3D")
@pytest.mark.parametrize("description", NARROW, ids=str)
@pytest.mark.parametrize("up", UPS)
def test_channels_last_survives_every_layer(description: Description, up: Up) -> None:
    memory_format = torch.channels_last if description.dimensions == 2 else torch.channels_last_3d
    network = description.network(up).to(memory_format=memory_format)  # type: ignore[call-overload]  # the stub lacks channels_last_3d
    lost: list[str] = []

    def kept(x: Tensor) -> bool:
        return x.is_contiguous(memory_format=memory_format)

    def watch(name: str, layer: nn.Module) -> None:
        def check(_layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
            if kept(inputs[0]) and not kept(output):
                lost.append(name)

        layer.register_forward_hook(check)

    for name, layer in network.named_modules():
        # on a CPU, PyTorch's 1 x 1 x 1 convolution returns the default format; the next 3 x 3 x 3 one restores it
        if not list(layer.children()) and getattr(layer, "kernel_size", None) != (1, 1, 1):
            watch(name, layer)
    x = image(description).to(memory_format=memory_format)
    assert all(kept(f) for f in network.encoder(x))
    assert kept(network.decoder.features(network.encoder(x)))
    assert lost == []


@pytest.mark.parametrize("description", NARROW, ids=str)
def test_channels_last_changes_no_result(description: Description) -> None:
    network, x = description.network().double().eval(), image(description).double()  # a norm over few voxels makes much of rounding
    expected = network(x)
    memory_format = torch.channels_last if description.dimensions == 2 else torch.channels_last_3d
    network = network.to(memory_format=memory_format)  # type: ignore[call-overload]  # the stub lacks channels_last_3d
    torch.testing.assert_close(network(x.to(memory_format=memory_format)).contiguous(), expected, atol=1e-5, rtol=1e-4)


def test_a_network_compiles_as_one_graph() -> None:
    network, x = VNet(3, 1, 2, width=4).network().eval(), torch.randn(2, 1, 32, 16, 48)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(torch.compile(network, backend="eager", fullgraph=True)(x), network(x))


def test_the_check_of_the_sides_compiles_for_any_size() -> None:
    def halved(x: Tensor) -> Tensor:
        check_sides(x.shape[2:], 2)
        return x / 2

    compiled = torch.compile(halved, backend="eager", fullgraph=True, dynamic=True)
    for side in (32, 48):
        x = torch.randn(1, 1, side, 16)
        assert torch.equal(compiled(x), x / 2)
