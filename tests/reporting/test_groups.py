"""Runs are grouped by what was asked for, curves have one group a budget, and pages say what a protocol was in these very runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report_kit import made_up_score

from semiseg.config import make_run
from semiseg.data.dataset import Dataset
from semiseg.errors import DataError
from semiseg.evaluation.results import CaseScore, Evaluation, Provenance
from semiseg.reporting import published
from semiseg.reporting.contrasts import contrasts
from semiseg.reporting.curve import curves_of, efficiency
from semiseg.reporting.protocols import about_protocols
from semiseg.reporting.runs import Training, grouped
from semiseg.reporting.summary import summary
from semiseg.run_folder import RunFolder
from semiseg.training.control import share_plan

CT = ("preparation.clip", "preparation.normalize", "preparation.mean", "preparation.std", "training.patch")


def made(
    path: Path,
    method: str = "cml",
    labeled: int | None = 8,
    draw: int = 0,
    seed: int = 0,
    dice: float = 0.8,
    planned: tuple[str, ...] = (),
    protocol: str = "sealed, last step",
    cases: int = 8,
    budget: int = 8,
    labels: int | None = None,
    validation: tuple[str, ...] = (),
    data_folder: str | None = None,
    **settings: Any,
) -> Training:
    """A scored run whose plan chose the settings that are named in `planned`."""
    layer: dict[str, Any] = {
        "method": method,
        "seed": seed,
        "data": {"labeled": labeled, "draw": draw, "classes": ("organ",), "channels": 1},
    }
    layer["protocol"] = "paper" if protocol.startswith("paper") else "sealed"
    layer["data"]["folder"] = data_folder
    run = make_run({"training": {"patch": (16, 16, 16)}}, layer, settings)
    choices = [{"setting": name, "value": None, "reason": "", "by": "plan" if name in planned else "you"} for name in (*CT, "method")]
    budget = labeled or budget
    ids = {"labeled": [f"l{i}" for i in range(labels or budget)], "unlabeled": ["u"], "validation": list(validation), "test": []}
    folder = RunFolder.create(path, run, ids, {"choices": choices})
    scores = tuple(CaseScore(f"c{i}", (made_up_score("organ", dice + 0.001 * (i - cases / 2)),)) for i in range(cases))
    evaluation = Evaluation(("organ",), scores, Provenance(protocol, method, seed, draw, budget, "aa", "0.1"))
    evaluation.to_json(path / "scores.json")
    return folder, evaluation


def window(k: int) -> dict[str, Any]:
    """What a plan measures on the labelled scans of one draw or budget."""
    ct = {"normalize": "fixed", "clip": (-100.0 - k, 200.0 + k), "mean": (50.0 + k,), "std": (60.0,)}
    return {"preparation": ct, "training": {"patch": (16 + 16 * (k % 2), 16, 16)}}


def test_draws_of_ct_scans_are_one_group_and_meet_the_control_of_their_own_draws(tmp_path: Path) -> None:
    groups = grouped(
        made(tmp_path / f"{method}-{draw}", method, draw=draw, planned=CT, **window(draw))
        for method in ("cml", "supervised")
        for draw in (0, 1)
    )
    assert [(group.name, len(group.trainings)) for group in groups] == [("Supervised-only", 2), ("CML", 2)]
    (contrast,) = contrasts(groups)
    assert [run.data.draw for run in contrast.control.runs] == [0, 1]


def test_budgets_of_ct_scans_are_one_curve(tmp_path: Path) -> None:
    runs = [made(tmp_path / f"{n}", labeled=n, dice=0.9 - n**-0.7, planned=CT, **window(n)) for n in (4, 8, 16)]
    (curve,) = curves_of(grouped(runs)).values()
    assert [budget.labels for budget in efficiency(curve).budgets] == [4, 8, 16]
    assert efficiency(curve).plateau is not None


def test_what_was_asked_for_tells_groups_apart(tmp_path: Path) -> None:
    others = tuple(name for name in CT if name != "preparation.clip")
    asked = [made(tmp_path / f"asked-{k}", planned=others, **window(2 * k)) for k in (0, 1)]
    planned = [made(tmp_path / f"planned-{k}", draw=k, planned=CT, **window(2 * k)) for k in (0, 1)]
    groups = grouped([*asked, *planned])
    assert [(group.name, len(group.trainings)) for group in groups] == [
        ("CML, clip -100.0, 200.0", 1),
        ("CML, clip -102.0, 202.0", 1),
        ("CML, clip planned", 2),
    ]


def test_a_control_is_grouped_like_its_run(tmp_path: Path) -> None:
    """All settings of a control are given to it; its run's plan chose them."""
    controls = []
    for draw in (0, 1):
        folder, _ = made(tmp_path / f"{draw}", draw=draw, planned=CT, **window(draw))
        control, scores = made(tmp_path / f"{draw}-control", "supervised", draw=draw, **window(draw))
        share_plan(folder, control)
        controls.append((control, scores))
    assert [len(group.trainings) for group in grouped(controls)] == [2]
    assert {choice["setting"]: choice["by"] for choice in control.read_json("plan.json")["choices"]} == {
        **dict.fromkeys(CT, "plan"),
        "method": "you",
    }


def test_groups_of_one_budget_are_curves_of_their_own(tmp_path: Path) -> None:
    runs = [made(tmp_path / f"{n}", labeled=n, dice=0.6 + n / 100) for n in (4, 8, 16)]
    larger = made(tmp_path / "larger", labeled=16, dice=0.95, training={"patch": (32, 16, 16)})
    curves = {name: efficiency(members) for name, members in curves_of(grouped([*runs, larger])).items()}
    told = {name: [(budget.labels, round(budget.mean, 2)) for budget in curve.budgets] for name, curve in curves.items()}
    assert told == {"CML, patch 16, 16, 16": [(4, 0.64), (8, 0.68), (16, 0.76)], "CML, patch 32, 16, 16": [(16, 0.95)]}
    every = made(tmp_path / "every", labeled=None, budget=16, dice=0.5)  # all 16 labels, not 16 by name
    budgets = [[budget.labels for budget in efficiency(members).budgets] for members in curves_of(grouped([*runs, every])).values()]
    assert budgets == [[4, 8, 16], [16]]


def test_curves_of_other_test_scans_are_not_drawn_together(tmp_path: Path) -> None:
    runs = [made(tmp_path / "eight"), made(tmp_path / "nine", "supervised", cases=9)]
    with pytest.raises(DataError, match="scored on the same test cases"):
        curves_of(grouped(runs))


def test_slices_are_told_by_the_patients_they_are_of(tmp_path: Path) -> None:
    runs = [made(tmp_path / method, method, labeled=7, labels=136) for method in ("cml", "supervised")]
    groups = grouped(runs)
    assert "with the same 7 labelled patients, CML with 1 unlabelled images besides" in summary(groups, contrasts(groups))
    assert summary(groups[:1], []).startswith("Supervised-only, trained on 7 labelled patients, reached")


LAST = "paper: last step"
TEST, NOTHING = "the test scans were looked at during training, as in publications", "nothing was looked at during training"


def test_the_last_step_of_the_paper_protocol_is_told_by_what_these_runs_looked_at(tmp_path: Path) -> None:
    la = made(tmp_path / "la", protocol=LAST)
    acdc = made(tmp_path / "acdc", protocol=LAST, validation=("v",))
    blind = made(tmp_path / "blind", "ua-mt", protocol=LAST, selection={"every": 0})
    best = made(tmp_path / "best", protocol=LAST, selection={"next_stage_from_best": True})

    def told(*runs: Training) -> str:
        return about_protocols(grouped(runs))

    assert told(la) == f"Protocol “{LAST}”: {TEST}; these scores are those of the last step."
    assert "the published validation scans were looked at during training, the test scans were not" in told(acdc)
    assert told(blind) == f"Protocol “{LAST}”: {NOTHING}, and the model is that of the last step."
    assert told(best).endswith("whose later stage began with the weights that had scored best on these scans.")
    both = told(la, blind)
    assert f"CML: {TEST}" in both
    assert f"UA-MT: {NOTHING}" in both


def test_published_rows_come_up_for_the_data_set_they_are_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = grouped([made(tmp_path / "run", data_folder="x")])

    def opened(name: str, layout: str) -> list[str]:
        monkeypatch.setattr(published, "open_folder", lambda _: Dataset(name, ("organ",), (), layout=layout))
        return published.own_tables(groups)

    assert opened("larynx", "images and labels") == []
    assert opened("LA", "images and labels") == []  # a folder that happens to be called so
    assert opened("LA", "LA") == ["la-8"]
    assert opened("BraTS2019", "BraTS 2019 (h5)") == [name for name in published.names() if name == "brats2019-8"]


def test_our_selected_weights_stand_beside_published_ones(tmp_path: Path) -> None:
    folder, last = made(tmp_path / "run", protocol=LAST, dice=0.8)
    chosen = made(tmp_path / "chosen", protocol="paper: selected on test", dice=0.9)[1]
    chosen.to_json(folder.path / "scores-selected.json")
    table = published.our_table(grouped([(folder, last)]))
    assert table.head[-1] == "Protocol"
    assert [(row[0], row[1], row[-1]) for row in table.rows] == [  # Dice of 8 cases, 0.8 + 0.001 (-4 ... 3)
        ("CML", "79.95", LAST),
        ("CML", "89.95", "paper: selected on test"),
    ]
