"""The supervised control beside a run: what did the unlabelled scans buy."""

from __future__ import annotations

from dataclasses import asdict

from semiseg.config import Run, validated
from semiseg.data.dataset import Dataset
from semiseg.errors import RunFolderError, SettingsError
from semiseg.evaluation.gain import Gain, measured
from semiseg.evaluation.results import Evaluation
from semiseg.functional.dice import DICE
from semiseg.ranks.group import ALONE, Ranks
from semiseg.run_folder import RunFolder
from semiseg.training.train import Trained, data_folder, train_or_resume

CONTROL = "supervised"


def control_folder(folder: RunFolder) -> RunFolder:
    """`RUN-control`, whether it exists or not."""
    return RunFolder(folder.path.with_name(f"{folder.path.name}-control"))


def control_run(run: Run) -> Run:
    """The supervised control at equal budget: all of the run but its method, with the method's own form of the Dice loss if it has one.

    Raises:
        SettingsError: the run learns from no unlabelled scan, so it is its own control.
    """
    if not run.uses_unlabeled:
        raise SettingsError(f"--control: {run.method} learns from labelled scans alone here; there is nothing to compare it with.")
    dice = getattr(run.settings, "dice", None)
    settings = {"dice": dice} if dice in DICE else {}
    return validated({**run.model_dump(), "method": CONTROL, "settings": settings})


def train_control(
    folder: RunFolder,
    data: Dataset | None = None,
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
    ranks: Ranks = ALONE,
) -> Trained:
    """Train the control of a finished run, or go on with it, into `control_folder`; when it is scored, write the run's gain.json.

    Args:
        folder: the finished, scored run.
        data: the data set, for a run on arrays in memory.
        device: auto, cpu, cuda or mps.
        max_seconds: stop after this time; the next call goes on.
        progress: show progress on stderr.
        ranks: as for `train`.

    Raises:
        SettingsError: the run is its own control.
        RunFolderError: the run is not finished, or the control's folder holds another run.
    """
    if not (folder.path / "scores.json").is_file():
        raise RunFolderError(f"{folder.path}: has no scores to compare a control with. Finish the run, with labelled test cases.")
    wanted, control = control_run(folder.run()), control_folder(folder)
    source = data if data is not None else data_folder(wanted, folder)
    trained = train_or_resume(source, [wanted.model_dump()], control.path, device, max_seconds, progress, ranks=ranks)
    ranks.first(lambda: share_plan(folder, control))
    if trained.evaluation is not None:
        ranks.first(lambda: write_gain(folder, control))
    return trained


def share_plan(folder: RunFolder, control: RunFolder) -> None:
    """Note in the control's plan.json who decided its settings: whoever decided those of its run, so that reports group both alike."""
    ours, theirs = (each.read_json("plan.json") or {"choices": []} for each in (folder, control))
    decided = {choice["setting"]: choice for choice in ours["choices"] if choice["setting"] != "method"}
    choices = [decided.get(choice["setting"], choice) for choice in theirs["choices"]]
    control.write_json("plan.json", {**theirs, "choices": choices})


def write_gain(folder: RunFolder, control: RunFolder) -> Gain:
    """Compare the scores of both, and write gain.json into the run's folder, with where both come from."""
    scores = {name: Evaluation.from_json(each.path / "scores.json") for name, each in (("run", folder), ("control", control))}
    sources = {name: asdict(each.provenance) for name, each in scores.items() if each.provenance}
    gain = measured(scores["run"], scores["control"])
    folder.write_json("gain.json", {"control": control.path.name, "provenance": sources, **gain.as_dict()})
    return gain
