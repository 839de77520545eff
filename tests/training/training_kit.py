"""What the tests of training share: a tiny data set and settings that train it in a second."""

from __future__ import annotations

from typing import Any

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.phantom import phantom_case

TINY: dict[str, Any] = {
    "network": {"width": 4},
    "training": {"steps": 6, "patch": [32, 16, 16], "labeled_batch": 2, "unlabeled_batch": 2, "precision": "32-true"},
    "augmentation": {"rotate": 10, "noise": 0.1},
}


def tiny_dataset(cases: int = 4, labeled: int = 2, test: int = 1) -> Dataset:
    """Arrays in memory: nothing but the training is tested here."""
    made = [phantom_case(seed, (20, 20, 20), 2) for seed in range(cases + test)]
    scans = [Case(f"case_{i}", (image,), label if i < labeled or i >= cases else None) for i, (image, label) in enumerate(made)]
    return Dataset("tiny", ("chamber",), tuple(scans[:cases]), test=tuple(scans[cases:]))
