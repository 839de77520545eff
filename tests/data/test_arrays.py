"""Data sets out of arrays, and the whole way from arrays to a mask in Python."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import semiseg
from semiseg import from_arrays
from semiseg.data.phantom import phantom_case
from semiseg.errors import DataError


def test_a_case_without_a_label_is_unlabelled_and_test_cases_are_kept_apart() -> None:
    image = np.zeros((4, 4), np.float32)
    dataset = from_arrays({"a": image, "b": image, "c": image}, {"a": image.astype(int), "c": image.astype(int)}, ("x",), test=["c"])
    split = dataset.split()
    assert [[case.id for case in part] for part in (split.labeled, split.unlabeled, split.test)] == [["a"], ["b"], ["c"]]


def test_strangers_and_mixed_dimensions_are_refused() -> None:
    with pytest.raises(DataError, match="'b' has no image"):
        from_arrays({"a": np.zeros((4, 4))}, {"b": np.zeros((4, 4))})
    with pytest.raises(DataError, match=r"arrays of \[2, 3\] dimensions"):
        from_arrays({"a": np.zeros((4, 4)), "b": np.zeros((4, 4, 4))}, {})
    with pytest.raises(DataError, match="no images"):
        from_arrays({}, {})


def test_train_load_and_predict_on_arrays(tmp_path: Path) -> None:
    made = {f"case_{i}": phantom_case(i, (20, 32, 20), 2) for i in range(4)}
    images = {key: image for key, (image, _) in made.items()}
    labels = {key: made[key][1] for key in ("case_0", "case_1", "case_3")}
    data = from_arrays(images, labels, classes=("chamber",), spacing=(1, 1, 2), test=["case_3"])
    settings = {"network": {"width": 4}, "training": {"steps": 2, "patch": [16, 32, 16], "labeled_batch": 2, "unlabeled_batch": 2}}
    trained = semiseg.train(data, settings, out=tmp_path / "run", progress=False)
    assert trained.evaluation is not None
    prediction = semiseg.load(tmp_path / "run").predict(images["case_2"])
    assert prediction.labels.shape == (20, 32, 20)
