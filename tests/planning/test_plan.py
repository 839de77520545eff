from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from semiseg.config import make_run
from semiseg.data.dataset import Dataset, Split
from semiseg.data.preparation import Preparation
from semiseg.errors import SettingsError
from semiseg.methods import METHODS
from semiseg.planning.cost import StepSize, parameters, step_memory, step_seconds
from semiseg.planning.fingerprint import Fingerprint, GreyValues
from semiseg.planning.grid import target_spacing
from semiseg.planning.machine import Machine
from semiseg.planning.plan import Plan, make_plan, method_layer
from semiseg.planning.size import natural_patch, smaller_patches

GB = 2**30
LAPTOP = Machine("cpu", 8 * GB, 2, 2)
MR = GreyValues(False, 20.0, 300.0, 900.0, 350.0, 200.0, True)
CT = GreyValues(True, -80.0, -600.0, 240.0, 95.0, 45.0, True)


def card(gigabytes: float) -> Machine:
    return Machine("cuda", int(gigabytes * GB), 16, 8, "a card")


def like(
    shape: tuple[int, ...], spacing: tuple[float, ...] | None = None, grey: GreyValues = MR, cases: int = 10, **changes: Any
) -> Fingerprint:
    """`cases` scans of one kind, four of them labelled."""
    spacings = () if spacing is None else (spacing,) * cases
    return replace(Fingerprint(4, cases - 4, (shape,) * cases, spacings, (grey,), ("organ",)), **changes)


def plan(found: Fingerprint, machine: Machine = LAPTOP, *layers: dict[str, Any], preparation: Preparation | None = None) -> Plan:
    dataset = Dataset("made up", found.classes, (), dimensions=found.dimensions, preparation=preparation or Preparation())
    own = {"preparation": dataset.preparation.model_dump(exclude_unset=True)}
    return make_plan(make_run(own, *layers), dataset, found, machine, any("method" in layer for layer in layers))


def reason(made: Plan, setting: str) -> str:
    return next(choice.reason for choice in made.choices if choice.setting == setting)


def test_small_isotropic_mr_on_two_cores_is_the_hippocampus_setting() -> None:
    made = plan(like((35, 50, 36), (1.0, 1.0, 1.0), cases=208))
    run, training = made.run, made.run.training
    assert (run.network.kind, run.network.width, training.patch) == ("vnet", 8, (32, 48, 32))
    assert (training.labeled_batch, training.unlabeled_batch, training.steps, training.class_prior) == (4, 4, 600, True)
    assert (training.optimizer, training.learning_rate) == ("adamw", 3e-3)
    assert (run.preparation.normalize, run.preparation.spacing) == ("zscore", None)
    assert run.augmentation.rotate == 15
    assert made.seconds == pytest.approx(600 * 8 * 32 * 48 * 32 * 3.9e-6 / 2**0.8)  # 9 minutes
    assert made.memory < 0.9 * GB


def test_ct_is_clipped_and_scaled_by_fixed_numbers() -> None:
    made = plan(like((512, 512, 120), (0.8, 0.8, 2.0), CT), card(24))
    preparation = made.run.preparation
    assert (preparation.normalize, preparation.clip) == ("fixed", (-80.0, 240.0))
    assert (preparation.mean, preparation.std) == ((95.0,), (45.0,))
    assert "labelled structures" in reason(made, "preparation.clip")
    two = plan(like((64, 64, 64), (1.0, 1.0, 1.0), modalities=(CT, MR)), card(24))
    assert two.run.preparation.normalize == "zscore"  # PET beside CT: each scan by itself
    assert "not all modalities are CT" in reason(two, "preparation.normalize")


def test_scans_of_several_voxel_sizes_are_brought_to_the_median() -> None:
    spacings = ((0.8, 0.8, 1.5), (0.9, 0.9, 1.5), (1.0, 1.0, 1.2), (0.7, 0.7, 1.0), (0.9, 0.9, 1.5))
    found = like((200, 200, 100), cases=5, spacings=spacings)
    made = plan(found, card(24))
    assert made.run.preparation.spacing == (0.9, 0.9, 1.5)
    assert "0.7 to 1" in reason(made, "preparation.spacing")
    nearly = like((200, 200, 100), cases=2, spacings=((1.0, 1.0, 1.0), (1.02, 0.98, 1.0)))
    assert plan(nearly, card(24)).run.preparation.spacing is None


def test_a_coarse_axis_takes_a_low_percentile_and_never_less_than_the_others() -> None:
    assert target_spacing([(1.0, 1.0, 5.0)] * 9 + [(1.0, 1.0, 1.0)]) == pytest.approx((1.0, 1.0, 4.6))  # numpy's 10th percentile
    assert target_spacing([(1.0, 1.0, 5.0)] * 5 + [(1.0, 1.0, 0.5)] * 4) == (1.0, 1.0, 1.0)
    assert target_spacing([(1.0, 1.0, 2.5)] * 3 + [(1.0, 1.0, 1.0)]) == (1.0, 1.0, 2.5)  # not coarse
    assert target_spacing([]) == ()


def test_thick_slices_are_cut_for_a_2d_network() -> None:
    made = plan(like((20, 320, 320), (3.6, 0.6, 0.6)), card(24))
    run = made.run
    assert (run.preparation.slice_axis, run.network.kind, run.training.patch) == (0, "unet", (320, 320))
    assert "6.0 times as long along this axis" in reason(made, "preparation.slice_axis")
    assert run.preparation.spacing is None
    spacings = ((10.0, 1.4, 1.4), (10.0, 1.8, 1.8), (5.0, 1.4, 1.4))
    resampled = plan(like((10, 256, 256), cases=3, spacings=spacings), card(24)).run
    assert (resampled.preparation.spacing, resampled.preparation.slice_axis) == ((1.4, 1.4), 0)  # within the slice alone


def test_few_slices_of_unknown_size_are_cut_too() -> None:
    made = plan(like((256, 216, 10)), card(24))
    assert (made.run.preparation.slice_axis, made.run.training.patch) == (2, (256, 208))
    assert "has 10 voxels along this axis" in reason(made, "preparation.slice_axis")
    assert "do not say how large a voxel is" in reason(made, "preparation.spacing")


def test_a_2d_patch_that_is_set_cuts_3d_scans() -> None:
    made = plan(like((35, 50, 36), (1.0, 1.0, 1.0)), LAPTOP, {"training": {"patch": [32, 48]}})
    assert (made.run.preparation.slice_axis, made.run.network.kind) == (2, "unet")
    flat = plan(like((64, 20, 64), (1.0, 2.0, 1.0)), LAPTOP, {"training": {"patch": [32, 48]}})
    assert flat.run.preparation.slice_axis == 1  # the axis with the longest voxels


def test_pictures() -> None:
    made = plan(like((256, 300)))
    run = made.run
    assert (run.network.kind, run.preparation.slice_axis, run.preparation.spacing) == ("unet", None, None)
    assert (run.training.patch, run.training.labeled_batch) == ((256, 288), 8)
    published = plan(like((256, 300)), card(24)).run.training
    assert (published.patch, published.labeled_batch, published.steps) == ((256, 288), 12, 30_000)


def test_tiny_scans_are_padded_to_what_the_network_takes() -> None:
    assert plan(like((10, 12, 9), (1.0, 1.0, 1.0))).run.training.patch == (16, 32, 16)
    assert plan(like((20, 25)), LAPTOP).run.training.patch == (16, 32)


def test_huge_scans_on_a_laptop_get_a_patch_of_a_few_seconds() -> None:
    made = plan(like((800, 800, 600), (0.4, 0.4, 0.4), CT))
    training = made.run.training
    assert training.patch == (80, 64, 64)
    assert training.labeled_batch == 2
    assert made.seconds is not None
    assert made.seconds / training.steps <= 3
    assert "takes less than about 3 s on this cpu" in reason(made, "training.patch")


@pytest.mark.parametrize(
    ("gigabytes", "patch", "batch"), [(4, (64, 64, 48), 2), (8, (96, 80, 80), 2), (24, (128, 128, 128), 2), (80, (128, 128, 128), 4)]
)
def test_patch_and_batch_fit_the_card(gigabytes: int, patch: tuple[int, ...], batch: int) -> None:
    made = plan(like((512, 512, 300), (0.8, 0.8, 1.0), CT), card(gigabytes))
    training = made.run.training
    assert (training.patch, training.labeled_batch, made.run.network.width) == (patch, batch, 16)
    assert made.memory <= 0.6 * gigabytes * GB  # the scans may take a third
    assert all(side % 16 == 0 for side in training.patch)
    assert training.steps == 6000
    assert made.seconds is None


def test_a_card_that_is_too_small_is_told_so() -> None:
    made = plan(like((512, 512, 300), (0.8, 0.8, 1.0)), card(1))
    assert made.run.training.patch == (32, 32, 32)
    assert "could get no smaller; it may still take" in reason(made, "training.patch")


def test_every_method_gets_the_same_patches() -> None:
    found = like((512, 512, 300), (0.8, 0.8, 1.0))
    trainings = [plan(found, card(8), {"method": method}).run.training for method in METHODS]
    assert all(training == trainings[0] for training in trainings)
    assert plan(found, card(8), {"method": "supervised"}).memory < plan(found, card(8), {"method": "cml"}).memory


def test_what_is_set_stays() -> None:
    layer = {
        "method": "ua-mt",
        "network": {"width": 12},
        "preparation": {"spacing": [2.0, 2.0, 2.0], "normalize": "none"},
        "training": {"steps": 7, "labeled_batch": 2, "learning_rate": 0.01},
        "augmentation": {"rotate": 5},
    }
    made = plan(like((200, 200, 100), (1.0, 1.0, 2.0), CT), card(24), layer)
    run = made.run
    assert (run.method, run.network.width, run.training.steps, run.training.labeled_batch) == ("ua-mt", 12, 7, 2)
    assert (run.preparation.spacing, run.preparation.normalize, run.preparation.clip) == ((2.0, 2.0, 2.0), "none", None)
    assert run.training.patch == (96, 96, 96)  # of the scan as resampled: 100 x 100 x 100
    assert (run.training.optimizer, run.training.learning_rate) == ("adamw", 0.01)
    assert (run.augmentation.rotate, run.augmentation.scale) == (5, 0)
    yours = {choice.setting for choice in made.choices if choice.by == "you"}
    assert yours == {
        "method",
        "network.width",
        "preparation.spacing",
        "preparation.normalize",
        "training.steps",
        "training.labeled_batch",
        "training.learning_rate",
        "augmentation.rotate",
    }
    assert {choice.reason for choice in made.choices if choice.by == "you"} == {"set by you"}
    assert run.training.unlabeled_batch == 2


def test_a_control_without_unlabelled_patches_keeps_its_labelled_ones() -> None:
    layer = {"method": "supervised", "training": {"unlabeled_batch": 0}}
    training = plan(like((35, 50, 36), (1.0, 1.0, 1.0)), LAPTOP, layer).run.training
    assert (training.labeled_batch, training.unlabeled_batch) == (4, 0)


def test_a_patch_that_is_set_counts_the_voxels_of_the_files() -> None:
    spacings = ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0))
    made = plan(like((100, 100, 100), cases=2, spacings=spacings), card(24), {"training": {"patch": [64, 64, 64]}})
    assert made.run.preparation.spacing is None
    assert made.run.training.patch == (64, 64, 64)
    with pytest.raises(SettingsError, match="shrinks to one voxel"):
        plan(like((100, 100, 100)), card(24), {"training": {"patch": [16, 16, 16]}})


def test_what_a_data_set_says_of_itself_stays() -> None:
    made = plan(like((88, 140, 190), grey=CT), card(24), preparation=Preparation(normalize="none"))
    assert made.run.preparation.normalize == "none"
    assert reason(made, "preparation.normalize") == "set by the data set"
    resized = plan(like((10, 256, 216)), card(24), preparation=Preparation(resize=(224, 224), slice_axis=0))
    assert resized.run.training.patch == (224, 224)


def test_the_method_is_supervised_only_where_nothing_else_can_be_learned_from() -> None:
    nothing = Split((), (), (), ())
    assert method_layer([{}], nothing) == {"method": "supervised"}
    assert method_layer([{"method": "cml"}], nothing) == {}
    assert method_layer([{"settings": {"pretrain": 0.5}}], nothing) == {}
    every = like((35, 50, 36), (1.0, 1.0, 1.0), cases=4)
    dataset = Dataset("made up", ("organ",), ())
    assert reason(make_plan(make_run({"method": "supervised"}), dataset, every, LAPTOP, False), "method").startswith("every training scan")
    assert reason(make_plan(make_run(), dataset, every, LAPTOP, False), "method").startswith("some training scans are labelled in part")
    assert reason(make_plan(make_run(), dataset, like((35, 50, 36)), LAPTOP, False), "method").startswith("6 of 10 training scans")


def test_a_complete_run_is_left_as_it_is() -> None:
    found = like((35, 50, 36), (1.0, 1.0, 1.0))
    complete = plan(found).run
    again = plan(found, card(80), complete.model_dump())
    assert again.run == complete
    assert again.own == ()


def test_patches_get_smaller_along_the_longest_side() -> None:
    assert list(smaller_patches((64, 48, 16))) == [(64, 48, 16), (48, 48, 16), (48, 32, 16), (32, 32, 16)]
    assert natural_patch((600, 300)) == (512, 288)


def test_memory_of_a_step_is_near_what_was_measured() -> None:
    """Peak RSS of a process that took two steps (MB; benchmarks/step_cost.py), against the model's upper end."""
    measured = [
        (StepSize((32, 48, 32), 4, 8, 3), 522, 694),
        (StepSize((64, 64, 64), 4, 8, 3), 925, 1692),
        (StepSize((64, 64, 64), 2, 16, 2), 983, 2475),
        (StepSize((128, 128), 4, 16, 2, kind="unet"), 513, 672),
        (StepSize((256, 256), 4, 16, 2, kind="unet"), 872, 1425),
        (StepSize((256, 256), 8, 16, 2, kind="unet"), 1325, 2368),
    ]
    for size, supervised, cml in measured:
        assert 0.95 < step_memory(size) / 2**20 / cml < 1.45
        assert 0.95 < step_memory(size, unlabeled=False) / 2**20 / supervised < 1.5


def test_cost_of_a_step() -> None:
    size = StepSize((32, 48, 32), 4, 8, 3)
    assert step_seconds(size, Machine("cpu", GB, 1, 1)) == pytest.approx(1.53, rel=0.01)  # docs/benchmarks/hippocampus.md
    assert step_seconds(size, Machine("cpu", GB, 1, 1), unlabeled=False) == pytest.approx(0.52, rel=0.02)
    assert step_seconds(size, card(24)) is None
    assert parameters("vnet", 3, 1, 2, 16) == 9_448_866
    assert parameters("unet", 2, 1, 4, 16) == 1_813_764
    assert (size.voxels(), size.voxels(unlabeled=False)) == (8 * 49_152, 4 * 49_152)
