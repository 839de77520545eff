"""A folder is gone on with by whoever asks for the same run: no setting other than then, and none left away that was asked for then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from training_kit import TINY, tiny_dataset

from semiseg.config import make_run
from semiseg.errors import RunFolderError
from semiseg.run_folder import RunFolder
from semiseg.training.asked import asked, refuse_another_request
from semiseg.training.train import resume, train, train_or_resume

DEFAULT = make_run({"method": "cml"}).settings.model_dump()["feature_weight"]
BEGUN: dict[str, Any] = {**TINY, "method": "cml", "settings": {"feature_weight": 0.0}, "data": {"labeled": 2}}


def without(layer: dict[str, Any], section: str, name: str) -> dict[str, Any]:
    return {**layer, section: {key: value for key, value in layer[section].items() if key != name}}


def test_a_setting_that_is_not_asked_for_any_more_is_missed_and_a_plain_resume_goes_on(tmp_path: Path) -> None:
    out, data = tmp_path / "run", tiny_dataset()
    train(data, [BEGUN], out=out, max_seconds=0, progress=False)

    def again(layer: dict[str, Any]) -> int:
        return train_or_resume(data, [layer], out, max_seconds=0, progress=False).step

    assert again(BEGUN) == 2
    with pytest.raises(RunFolderError, match=rf"not asked for any more: settings\.feature_weight \(0\.0 -> {DEFAULT}\)"):
        again(without(BEGUN, "settings", "feature_weight"))
    with pytest.raises(RunFolderError, match=r"training\.steps \(6 -> planned\)"):
        again(without(BEGUN, "training", "steps"))
    with pytest.raises(RunFolderError, match=r"data\.labeled \(2 -> None\)"):
        again(without(BEGUN, "data", "labeled"))
    assert resume(out, data=data, max_seconds=0, progress=False).step == 3
    assert resume(out, [{"training": {"steps": 6}}], data, max_seconds=0, progress=False).step == 4  # names some of its settings


def noted(folder: Path, layer: dict[str, Any], **choices: str) -> RunFolder:
    """A run folder with what was asked for, and who decided what."""
    decided = [{"setting": name.replace("__", "."), "value": None, "reason": "", "by": by} for name, by in choices.items()]
    return RunFolder.create(folder, make_run(layer), plan={"choices": decided, "asked": asked(layer)})


def test_a_default_may_be_said_or_left_away(tmp_path: Path) -> None:
    said = {"method": "cml", "settings": {"feature_weight": DEFAULT}, "inference": {"batch": 4}}
    folder = noted(tmp_path / "said", said, method="you")
    refuse_another_request(folder, {"method": "cml"})
    refuse_another_request(noted(tmp_path / "left", {"method": "cml"}), said)
    with pytest.raises(RunFolderError, match=rf"settings\.feature_weight \({DEFAULT} -> 0\.5\)"):
        refuse_another_request(folder, {**said, "settings": {"feature_weight": 0.5}})


def test_a_default_that_a_plan_would_choose_anew_may_not_be_left_away(tmp_path: Path) -> None:
    folder = noted(tmp_path / "run", {"method": "cml", "training": {"steps": 2000}}, training__steps="you")
    with pytest.raises(RunFolderError, match=r"training\.steps \(2000 -> planned\)"):
        refuse_another_request(folder, {"method": "cml"})


def test_another_method_is_named_though_its_settings_are_others(tmp_path: Path) -> None:
    folder = noted(tmp_path / "run", {"method": "cml", "settings": {"feature_weight": 0.0}})
    with pytest.raises(RunFolderError, match=r"method \(cml -> bcp\)"):
        refuse_another_request(folder, {"method": "bcp"})


def test_a_folder_that_does_not_say_what_was_asked_is_held_to_what_is_named_now(tmp_path: Path) -> None:
    old = RunFolder.create(tmp_path / "old", make_run(BEGUN), plan={"choices": []})
    refuse_another_request(old, {"method": "cml"})
    with pytest.raises(RunFolderError, match=r"training\.steps \(6 -> 7\)"):
        refuse_another_request(old, {"method": "cml", "training": {"steps": 7}})


def test_what_was_asked_holds_the_settings_of_the_method_and_no_others() -> None:
    layers: list[dict[str, Any]] = [
        {"methods": {"cml": {"training": {"steps": 5}}, "bcp": {"seed": 9}}, "data": {"label_map": {255: 1}}},
        {"method": "cml"},
    ]
    assert asked(layers) == {"method": "cml", "training.steps": 5, "data.label_map.255": 1}
    assert asked([{"data": {}, "training": {"patch": (16, 16)}}]) == {"training.patch": [16, 16]}
