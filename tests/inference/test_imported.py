from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from semiseg.errors import DataError, RunFolderError
from semiseg.inference.imported import import_weights
from semiseg.inference.predictor import load
from semiseg.networks import TwoViews, UNet, VNet
from semiseg.networks.released import SHARED_UNET, VNET_PAIR, Release


def save_released(path: Path, release: Release, description: UNet | VNet) -> dict[str, Tensor]:
    """Weights under the authors' names, as their code saves them; returns them under ours."""
    torch.manual_seed(0)
    ours = TwoViews(description, shared=release.shared).state_dict()
    torch.save({release.their_name(name): value for name, value in ours.items()}, path)
    return ours


def test_released_la_weights_become_a_run_as_published(tmp_path: Path) -> None:
    ours = save_released(tmp_path / "la.pth", VNET_PAIR, VNet(3, 1, 2, width=4))
    import_weights(tmp_path / "la.pth", tmp_path / "run", classes=["left atrium"])
    predictor = load(tmp_path / "run", device="cpu")
    run = predictor.run
    assert (run.training.patch, run.inference.stride) == ((112, 112, 80), (18, 18, 4))
    assert run.inference.largest_component
    assert run.preparation.normalize == "none"
    assert run.data.classes == ("left atrium",)
    loaded = predictor.method.state_dict()
    assert set(loaded) == {f"views.{name}" for name in ours}  # no moving average in the authors' code
    assert all(torch.equal(loaded[f"views.{name}"], value) for name, value in ours.items())


def test_released_acdc_weights_predict_a_volume_of_slices(tmp_path: Path) -> None:
    save_released(tmp_path / "acdc.pth", SHARED_UNET, UNet(2, 1, 4, width=4))
    run = import_weights(tmp_path / "acdc.pth", tmp_path / "run").run()
    assert run.training.patch == run.preparation.resize == (256, 256)
    assert run.data.classes == ("class_1", "class_2", "class_3")
    assert not run.inference.largest_component
    labels = load(tmp_path / "run", device="cpu").predict(np.random.default_rng(0).random((2, 60, 50))).labels
    assert labels.shape == (2, 60, 50)
    assert labels.max() <= 3


def test_what_is_no_released_file_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere.pth: no such file"):
        import_weights(tmp_path / "nowhere.pth", tmp_path / "run")
    (tmp_path / "text.pth").write_text("no weights")
    with pytest.raises(DataError, match=r"text.pth: not a plain state dict of PyTorch"):
        import_weights(tmp_path / "text.pth", tmp_path / "run")
    (tmp_path / "empty.pth").touch()
    with pytest.raises(DataError, match=r"empty.pth: not a plain state dict of PyTorch \(it ends too early\)"):
        import_weights(str(tmp_path / "empty.pth"), str(tmp_path / "run"))
    torch.save({"model": Path("an object")}, tmp_path / "objects.pth")
    with pytest.raises(DataError, match="opening them may run any code that is in the file") as caught:
        import_weights(tmp_path / "objects.pth", tmp_path / "run")
    assert "weights_only" not in str(caught.value)  # torch's advice to load it all the same
    torch.save({"weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(DataError, match=r"other.pth: weights: neither"):
        import_weights(tmp_path / "other.pth", tmp_path / "run")
    torch.save([1], tmp_path / "list.pth")
    with pytest.raises(DataError, match=r"list.pth: not a plain state dict of PyTorch"):
        import_weights(tmp_path / "list.pth", tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_classes_must_fit_and_the_folder_must_be_free(tmp_path: Path) -> None:
    save_released(tmp_path / "acdc.pth", SHARED_UNET, UNet(2, 1, 4, width=4))
    with pytest.raises(DataError, match=r"2 classes were named \(a, b\), but the weights have 3 foreground classes"):
        import_weights(tmp_path / "acdc.pth", tmp_path / "run", classes=["a", "b"])
    import_weights(tmp_path / "acdc.pth", tmp_path / "run")
    with pytest.raises(RunFolderError, match="exists already"):
        import_weights(tmp_path / "acdc.pth", tmp_path / "run")
