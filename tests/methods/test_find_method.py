"""A method is found by its name, or by the place of its class."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from semiseg.config import make_run
from semiseg.errors import SettingsError
from semiseg.methods import METHODS, find_method
from semiseg.methods.supervised import Supervised


def test_a_name_and_a_place_lead_to_the_same_class() -> None:
    assert find_method("supervised") is METHODS["supervised"]
    assert find_method("semiseg.methods.supervised:Supervised") is Supervised
    run = make_run({"method": "semiseg.methods.supervised:Supervised", "settings": {"weight": 2}})
    assert run.settings == Supervised.Settings.model_validate({"weight": 2})


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bpc", "no method is called 'bpc' \\(did you mean 'bcp'"),
        (":Mine", "no method is called ':Mine'"),
        ("no_such_module.mine:Mine", "No module named 'no_such_module'. Install the module, or name its folder in PYTHONPATH"),
        ("semiseg.methods:Stage", "semiseg.methods has no class 'Stage' derived from semiseg.methods.Method"),
        ("semiseg.methods:Mine", "semiseg.methods has no class 'Mine'"),
    ],
)
def test_what_is_no_method_is_said_in_one_sentence(name: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        make_run({"method": name})


def test_an_error_inside_the_module_is_not_hidden(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_method.py").write_text("1 / 0\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ZeroDivisionError):
        find_method("broken_method:Mine")


def test_off_is_a_choice_where_there_is_one_and_false_elsewhere() -> None:
    values = yaml.safe_load("{mutual_learning: off, cutmix: off}")  # YAML has two booleans there
    settings = make_run({"method": "cml", "settings": values}).settings.model_dump()
    assert (settings["mutual_learning"], settings["cutmix"]) == ("off", False)
