"""Noise and jitter keep to the limits that they state."""

from __future__ import annotations

import pytest
import torch

from semiseg.functional.perturbation import clipped_noise, drop_attended, feature_noise, jitter_intensity


def test_noise_has_the_deviation_of_a_gaussian_cut_off_at_two() -> None:
    torch.manual_seed(0)
    noise = clipped_noise(torch.zeros(1, 1, 200, 200), 0.1)
    assert noise.abs().max() == pytest.approx(0.2)
    # variance of clamp(N(0, 1), -2, 2): P(|z| < 2) - 2 * 2 * phi(2) + 4 * P(|z| > 2) = 0.9545 - 0.2160 + 0.1820 = 0.9205, its root 0.9594
    assert noise.std().item() == pytest.approx(0.0959, abs=0.001)


@pytest.mark.parametrize("shape", [(3, 1, 8, 8), (3, 2, 6, 6, 6)])
def test_jitter_stays_in_each_images_own_range_and_differs_between_images(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    image = torch.randn(1, *shape[1:]).expand(shape) * 5 + 100
    jittered = jitter_intensity(image, 0.8)
    assert jittered.min() >= image.min()
    assert jittered.max() <= image.max() + 1e-4
    assert not torch.equal(jittered[0], jittered[1])
    assert jitter_intensity(image, 0.0).sub(image).abs().max() < 1e-4


def test_jitter_of_a_ramp_is_brightness_times_contrast_about_the_mean() -> None:
    torch.manual_seed(1)
    image = torch.tensor([[[0.0, 0.5, 1.0]]])
    values = jitter_intensity(image, 0.2)[0, 0]
    torch.manual_seed(1)
    brightness, contrast = (torch.empty(1).uniform_(0.8, 1.2).item() for _ in range(2))
    assert values.tolist() == pytest.approx([min(1.0, max(0.0, brightness * (0.5 + contrast * d))) for d in (-0.5, 0.0, 0.5)])


def test_a_flat_image_stays_finite() -> None:
    assert torch.isfinite(jitter_intensity(torch.full((2, 1, 4, 4), 3.0), 0.5)).all()


def test_feature_noise_is_multiplicative_bounded_and_one_for_the_batch() -> None:
    noisy = feature_noise(torch.ones(3, 4, 16, 16))
    assert 0.7 <= noisy.min() < 0.71
    assert 1.29 < noisy.max() <= 1.3
    assert torch.equal(noisy[0], noisy[2])
    assert feature_noise(torch.zeros(1, 2, 4, 4, 4)).abs().sum() == 0


def test_what_the_channels_attend_to_is_dropped() -> None:
    # means over channels: 2 (the maximum), 1.9 = 0.95 of it, 1 = 0.5 of it; the limit lies between 0.7 and 0.9 of the maximum
    features = torch.tensor([[[1.0, 0.9, 2.0], [3.0, 2.9, 0.0]]])
    assert drop_attended(features).tolist() == [[[0, 0, 2], [0, 0, 0]]]
    between = torch.tensor([[[1.0, 0.8]]]).expand(100, 1, 2)
    assert len(set(drop_attended(between)[:, 0, 1].tolist())) == 1  # one limit a call
    assert {round(drop_attended(between[:1])[0, 0, 1].item(), 3) for _ in range(50)} == {0.0, 0.8}
