"""Changes to a batch of patches."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from scipy import ndimage

from semiseg.case import Array
from semiseg.data.augment import Augmentation, Params, apply, make_params

OFF = make_params(Augmentation(), 0, 0, "labeled", 1)


def params(**values: float) -> Params:
    """One patch with these changes, no others."""
    changes: dict[str, Any] = {name: np.array([value], np.float32) for name, value in values.items()}
    return replace(OFF, **changes)


def smooth(*shape: int) -> torch.Tensor:
    field: Array = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=shape), 2)
    return torch.from_numpy((field / field.std()).astype(np.float32))[None, None]


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 5)])
def test_nothing_is_changed_by_default(shape: tuple[int, ...]) -> None:
    image, label = smooth(*shape), torch.ones(1, *shape, dtype=torch.int64)
    changed, changed_label = apply(OFF, image, label)
    assert changed is image
    assert changed_label is label


def test_params_depend_on_nothing_but_their_arguments() -> None:
    settings = Augmentation(rotate=20, scale=0.1, noise=0.1)

    def at(seed: int, step: int, stream: str) -> tuple[Any, ...]:
        drawn = make_params(settings, seed, step, stream, 3)
        return (*drawn.angle, *drawn.scale, drawn.noise_seed)

    assert at(1, 2, "labeled") == at(1, 2, "labeled")
    assert len({at(seed, step, stream) for seed in (0, 1) for step in (0, 1) for stream in ("labeled", "unlabeled")}) == 8


def test_params_lie_in_their_ranges() -> None:
    settings = Augmentation(rotate=20, rotate_probability=0.25, scale=0.15, contrast=0.2, brightness=0.1, gamma=0.3, noise=0.05)
    drawn = make_params(settings, 0, 0, "labeled", 4000)
    assert np.degrees(drawn.angle).min() == pytest.approx(-20, abs=0.2)
    assert np.degrees(drawn.angle).max() == pytest.approx(20, abs=0.2)
    assert (drawn.angle != 0).mean() == pytest.approx(0.25, abs=0.03)
    assert (drawn.scale.min(), drawn.scale.max()) == pytest.approx((0.85, 1.15), abs=0.01)
    assert (drawn.contrast.min(), drawn.contrast.max()) == pytest.approx((0.8, 1.2), abs=0.01)
    assert (drawn.gamma.min(), drawn.gamma.max()) == pytest.approx((math.exp(-0.3), math.exp(0.3)), abs=0.01)
    assert 0 <= drawn.noise.min() <= drawn.noise.max() <= 0.05


@pytest.mark.parametrize("shape", [(7, 7), (8, 8, 5)])
def test_a_rotation_by_90_degrees_is_a_quarter_turn(shape: tuple[int, ...]) -> None:
    image = torch.rand(1, 1, *shape)
    label = (image[:, 0] > 0.5).long() * 3
    turned, turned_label = apply(params(angle=math.pi / 2), image, label)
    assert torch.allclose(turned, image.rot90(1, (2, 3)), atol=1e-5)
    assert turned_label is not None
    assert turned_label.dtype == torch.int64
    assert torch.equal(turned_label, label.rot90(1, (1, 2)))


@pytest.mark.parametrize("shape", [(40, 24), (30, 20, 10), (12, 33, 7)])
def test_rotation_and_scale_are_in_voxels_whatever_the_sides(shape: tuple[int, ...]) -> None:
    image = smooth(*shape)
    angle, scale = 0.3, 1.1
    turn = np.eye(len(shape))
    turn[:2, :2] = [[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]]
    center = (np.array(shape) - 1) / 2
    expected = ndimage.affine_transform(image[0, 0].numpy(), turn / scale, center - turn @ center / scale, order=1, mode="grid-constant")
    changed, _ = apply(params(angle=angle, scale=scale), image)
    assert np.abs(changed[0, 0].numpy() - expected).max() < 1e-4


def test_a_larger_scale_shows_a_larger_thing() -> None:
    radius = torch.hypot(torch.arange(64.0)[:, None] - 31.5, torch.arange(64.0) - 31.5)
    disc = (radius < 15).long()[None]
    _, label = apply(params(scale=1.2), disc[:, None].float(), disc)
    assert label is not None
    assert label.sum().item() / disc.sum().item() == pytest.approx(1.44, abs=0.02)  # 1.2 ** 2


def test_only_the_patches_that_move_are_resampled() -> None:
    image = torch.rand(3, 2, 9, 9)
    moved = replace(OFF, angle=np.array([0, 0.2, 0], np.float32), scale=np.ones(3, np.float32))
    changed, _ = apply(moved, image)
    assert torch.equal(changed[[0, 2]], image[[0, 2]])
    assert not torch.equal(changed[1], image[1])


def test_intensities_change_as_told() -> None:
    image = torch.tensor([0.0, 1.0, 2.0, 5.0]).reshape(1, 1, 2, 2)  # mean 2
    assert apply(params(contrast=1.5), image)[0].flatten().tolist() == pytest.approx([-1, 0.5, 2, 6.5])
    assert torch.allclose(apply(params(brightness=0.5), image)[0], image + 0.5 * image.std())
    assert apply(params(gamma=2), image)[0].flatten().tolist() == pytest.approx([0, 0.2, 0.8, 5])  # 5 (x / 5) ** 2


def test_noise_has_its_strength_and_comes_again() -> None:
    image = smooth(40, 40, 40)
    noisy, _ = apply(params(noise=0.1), image)
    assert (noisy - image).std().item() == pytest.approx(0.1 * image.std().item(), rel=0.02)
    assert torch.equal(apply(params(noise=0.1), image)[0], noisy)


def test_a_flat_patch_stays_finite() -> None:
    changed, _ = apply(params(contrast=1.2, brightness=0.3, gamma=0.5, noise=0.2), torch.full((1, 1, 4, 4), 3.0))
    assert changed.flatten().tolist() == pytest.approx([3] * 16)


@given(st.floats(-3, 3), st.floats(0.5, 2), st.sampled_from([(9, 6), (5, 8, 4)]))
def test_labels_stay_classes(angle: float, scale: float, shape: tuple[int, ...]) -> None:
    label = torch.randint(0, 4, (1, *shape))
    _, changed = apply(params(angle=angle, scale=scale), label[:, None].float(), label)
    assert changed is not None
    assert set(changed.flatten().tolist()) <= {0, 1, 2, 3}


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"rotate": -1}, {"scale": 1}, {"symmetry": "all"}, {"rotation": 3}):
        with pytest.raises(ValidationError):
            Augmentation.model_validate(wrong)
