"""`semiseg train`: a data folder in, a run folder out."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.label_map import LabelMap
from semiseg.cli.output import STOPPED_EARLY, AsJson, Device, print_json, print_text
from semiseg.cli.plan import dry_run
from semiseg.cli.run_options import AnySetting, Budget, ConfigFile, Fold, LabelDraw, MaxTime, MethodName, Seed, Steps, Threads, layers_of
from semiseg.ranks.launch import place

if TYPE_CHECKING:
    from semiseg.ranks.group import Ranks
    from semiseg.training.train import Trained


def train(
    data: Annotated[
        Path | None, typer.Argument(help="The data folder, or a manifest. Not needed with --resume.", show_default=False)
    ] = None,
    config: ConfigFile = None,
    method: MethodName = None,
    labeled: Budget = None,
    draw: LabelDraw = None,
    fold: Fold = None,
    label_map: LabelMap = None,
    out: Annotated[Path | None, typer.Option(help="The run folder to make. Default: runs/DATA-METHOD.", show_default=False)] = None,
    steps: Steps = None,
    seed: Seed = None,
    settings: AnySetting = None,
    device: Device = "auto",
    max_time: MaxTime = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run folder.", show_default=False)] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Then train the supervised control at equal budget: what did the unlabelled scans buy?")
    ] = False,
    threads: Threads = None,
    plan_only: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan, and memory and time as measured in a few real steps; leave no run folder.")
    ] = False,
    test: Annotated[bool, typer.Option(help="Predict and score the test cases when the last step is done.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a method on a folder of scans. What is not set is planned (see `semiseg plan`). Exit code 3: stopped early, can be resumed."""
    refuse_odd(data, resume, out, control and not test, plan_only)
    import torch

    from semiseg.config import make_run
    from semiseg.data.folder import open_folder
    from semiseg.devices import pick_device
    from semiseg.ranks.group import join, leave
    from semiseg.training import train as training
    from semiseg.training.control import control_run
    from semiseg.training.job import refuse_untested, sealed_split

    if threads is not None:
        torch.set_num_threads(threads)
    began = time.monotonic()
    layers = layers_of(config, method, seed, {"labeled": labeled, "draw": draw, "fold": fold, "label_map": label_map}, steps, settings)
    if plan_only and data is not None:
        dry_run(data, layers, device, as_json)
        return
    if control and resume is None:
        asked = make_run(*layers)
        control_run(asked)  # refused now, not after the training
        if data is not None:
            refuse_untested(data.name, sealed_split(open_folder(data).relabeled(asked.data.label_map), asked))
        layers = [{"method": asked.method}, *layers]  # a plan would take the control itself where nothing is unlabelled
    ranks = join(pick_device(device))
    if resume is not None:
        dataset = open_folder(data) if data is not None else None  # the folder may have moved
        trained = training.resume(resume, layers, dataset, device, max_time, test=test, ranks=ranks)
    else:
        assert data is not None
        trained = training.train(data, layers, out, device, max_time, test=test, ranks=ranks)
    beside = train_control(trained, data, device, max_time, began, ranks) if control and trained.finished else None
    leave(ranks)
    if not ranks.is_first:
        return  # the first process speaks for all, with its exit code too
    report(trained, as_json, beside)
    if not trained.finished or (beside is not None and not beside.finished):
        raise typer.Exit(STOPPED_EARLY)


def refuse_odd(data: Path | None, resume: Path | None, out: Path | None, untested_control: bool, plan_only: bool) -> None:
    """Raises BadParameter where options do not go together."""
    if data is None and resume is None:
        raise typer.BadParameter("give a data folder, or --resume RUN.", param_hint="DATA")
    if resume is not None and out is not None:
        raise typer.BadParameter("a resumed run stays in its folder.", param_hint="--out")
    if untested_control:
        raise typer.BadParameter("a control is compared on the test cases.", param_hint="--control")
    if plan_only and data is None:
        raise typer.BadParameter("is for a new run: give a data folder.", param_hint="--dry-run")
    if plan_only and place().world > 1:
        raise typer.BadParameter("is for one process; start it without torchrun or srun.", param_hint="--dry-run")


def train_control(trained: Trained, data: Path | None, device: str, max_time: float | None, began: float, ranks: Ranks) -> Trained:
    """The control of a finished run, in what is left of the time."""
    from semiseg.data.folder import open_folder
    from semiseg.training import control

    dataset = open_folder(data) if data is not None and trained.folder.run().data.folder != data.resolve() else None
    left = None if max_time is None else max(max_time - (time.monotonic() - began), 0.0)
    return control.train_control(trained.folder, dataset, device, left, ranks=ranks)


def report(trained: Trained, as_json: bool, control: Trained | None = None) -> None:
    """Where the run lies, how far it came and what it scores; with a control, what the unlabelled scans bought."""
    gain = trained.folder.read_json("gain.json") if control is not None and control.evaluation is not None else None
    if as_json:
        scores = trained.evaluation.as_dict() if trained.evaluation else None
        result = {
            "run": trained.folder.path,
            "finished": trained.finished,
            "step": trained.step,
            "steps": trained.steps,
            "evaluation": scores,
        }
        if control is not None:
            result |= {"control": control.folder.path, "control_finished": control.finished, "gain": gain}
        print_json(result)
        return
    unscored = "; the test cases are not all predicted yet" if trained.step == trained.steps and not trained.finished else ""
    print_text(f"{trained.folder.path}: {trained.step} of {trained.steps} steps{unscored}")
    if trained.evaluation is not None:
        print_text(trained.evaluation.to_text())
    if control is not None:
        print_text(f"{control.folder.path}: {control.step} of {control.steps} steps")
    if gain is not None:
        print_text(gain["sentence"])
    elif control is not None and not control.finished:
        print_text(f"Go on with: semiseg train --resume {trained.folder.path} --control")
