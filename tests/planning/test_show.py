from __future__ import annotations

import json
from typing import Any

import yaml

from semiseg.config import make_run
from semiseg.data.dataset import Dataset
from semiseg.planning.fingerprint import Fingerprint, GreyValues
from semiseg.planning.machine import Machine
from semiseg.planning.plan import Plan, make_plan
from semiseg.planning.show import as_dict, as_run_file, cost_text, in_brief, table_rows

CT = GreyValues(True, -80.0, -600.0, 240.0, 95.0, 45.0, True)
SPACINGS = ((1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (1.5, 1.5, 1.5))
FOUND = Fingerprint(1, 2, ((100, 100, 100),) * 3, SPACINGS, (CT,), ("organ",))


def plan(machine: Machine, *layers: dict[str, Any]) -> Plan:
    asked = make_run({"data": {"folder": "/somewhere"}}, *layers)
    return make_plan(asked, Dataset("made up", ("organ",), ()), FOUND, machine, any("method" in layer for layer in layers))


LAPTOP = plan(Machine("cpu", 8 * 2**30, 2, 2))


def test_a_run_file_gives_the_same_run_again() -> None:
    layer = {"seed": 3, "settings": {"pretrain": 0.5}, "data": {"labeled": 1}, "training": {"steps": 7}, "inference": {"batch": 2}}
    for made in (LAPTOP, plan(Machine("cuda", 8 * 2**30, 2), {"method": "cml"}, layer)):
        values = yaml.safe_load(as_run_file(made, "made up"))
        assert "folder" not in values.get("data", {})
        again = plan(Machine("cpu", 2**30, 1), values)
        assert again.run == made.run
        assert again.own == ()


def test_a_run_file_says_why_above_each_choice_and_not_above_what_was_set() -> None:
    lines = as_run_file(plan(Machine("cpu", 8 * 2**30, 2, 2), {"training": {"steps": 7}}), "made up").splitlines()
    assert lines[0] == "# Planned by `semiseg plan` for made up, on cpu, 2 cores (2 computing), 8.0 GB of RAM free."
    spacing = lines.index("  spacing: [1.5, 1.5, 1.5]")
    assert lines[spacing - 1] == "  # the median: voxels of the files are 1 to 2, 1 to 2, 1 to 2 mm along the axes"
    steps = lines.index("  steps: 7")
    assert lines[steps - 1] == "training:"
    assert sum(line.startswith("  # measured on hippocampus, on the control alone: the best") for line in lines) == 1  # five settings


def test_table_has_one_row_for_what_belongs_together() -> None:
    rows = {setting: (value, reason) for setting, value, reason in table_rows(LAPTOP)}
    assert rows["training.steps"][0] == "600"
    together = next(setting for setting in rows if "optimizer" in setting)
    assert together.splitlines()[1] == "training.learning_rate"
    assert rows[together][0].splitlines()[1] == "0.003"
    yours = {setting: reason for setting, _, reason in table_rows(plan(Machine("cpu", 2**33, 2), {"training": {"steps": 7}}))}
    assert yours["training.steps"] == "set by you"


def test_json_holds_what_was_found_and_every_choice() -> None:
    written = json.loads(json.dumps(as_dict(LAPTOP), allow_nan=False))
    assert written["data"]["spacing_mm"] == {"smallest": [1, 1, 1], "median": [1.5, 1.5, 1.5], "largest": [2, 2, 2]}
    assert written["machine"]["cores"] == 2
    assert {choice["by"] for choice in written["choices"]} == {"plan"}
    assert written["expected"]["seconds"] > 0
    assert as_dict(plan(Machine("cuda", 2**33, 2)))["expected"]["seconds"] is None


def test_a_plan_in_brief() -> None:
    first, second, third = in_brief(LAPTOP)
    assert first == "plan for cpu, 2 cores (2 computing), 8.0 GB of RAM free:"
    assert second == "  cml, vnet of width 8; patches 80 x 64 x 64, 2 labelled and 2 unlabelled a step"
    assert third.startswith("  normalize fixed, resampled to 1.5 x 1.5 x 1.5 mm; 600 steps of adamw; about 1.6 GB and ")
    assert "--dry-run measures it" in cost_text(plan(Machine("cuda", 2**33, 2)))
