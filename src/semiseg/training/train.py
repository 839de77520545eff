"""From a data set to a finished run folder: open, split, prepare, train, and only then look at the test cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from semiseg.case import Case
from semiseg.config import Run, flat, make_run
from semiseg.data.dataset import Dataset
from semiseg.data.folder import open_folder
from semiseg.errors import RunFolderError
from semiseg.evaluation.results import Evaluation
from semiseg.planning.show import as_dict
from semiseg.run_folder import RunFolder, refuse_existing
from semiseg.training.cost import cost
from semiseg.training.door import unseal
from semiseg.training.fit import Engine, fit
from semiseg.training.job import Job, make_job, sealed_split, split_ids
from semiseg.training.progress import StepProgress, say
from semiseg.training.protocol import Part, looked_at, protocol_name
from semiseg.training.scoring import score_test_cases
from semiseg.training.seeds import seed_network
from semiseg.training.selection import last_stage, restore_best
from semiseg.training.start import start

Layers = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Nested settings such as `{"method": "cml", "data": {"labeled": 8}}`, or several, later ones winning."""


@dataclass(frozen=True)
class Trained:
    """What a call of `train` or `resume` left.

    Attributes:
        evaluation: of the test cases that have labels, once the last step is done.
        selected: the same with the weights of the best look, where the protocol looks.
    """

    folder: RunFolder
    finished: bool
    step: int
    steps: int
    evaluation: Evaluation | None = None
    selected: Evaluation | None = None


def train(
    data: Path | str | Dataset,
    layers: Layers = (),
    out: Path | str | None = None,
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
    test: bool = True,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """Train a method and leave a run folder that `load` predicts with.

    Args:
        data: a folder (see `open_folder`), or a data set, which may hold arrays.
        layers: settings; what they leave open is planned from the data and the machine.
        out: the new run folder; by default runs/DATA-METHOD, with a number behind it where that is taken.
        device: auto, cpu, cuda or mps.
        max_seconds: stop after this time, so that `resume` can go on.
        progress: show progress and remaining time on stderr.
        test: predict and score the test cases when the last step is done; False leaves them closed.
        checkpoint_seconds: time between saved states, which is what a kill loses at most; less where saving costs little.

    Raises:
        SemisegError: settings, data or folder are not usable; all checks come before the first step.
    """
    engine = Engine.on(device, max_seconds, progress, checkpoint_seconds)
    if out is not None:
        refuse_existing(Path(out))
    begun = start(data, as_list(layers), engine.device, progress)
    job = make_job(begun.plan.run, begun.dataset, begun.split, progress, begun.plan.workers)
    folder = RunFolder.create(Path(out) if out is not None else begun.free_folder(), job.run, split_ids(begun.split))
    folder.write_json("plan.json", as_dict(begun.plan))
    return carry_on(job, folder, engine, test)


def resume(
    folder: Path | str,
    layers: Layers = (),
    data: Dataset | None = None,
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
    test: bool = True,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """Go on with a run that was stopped or killed, exactly where its last saved state is.

    Args:
        folder: the run folder.
        layers: settings, if given, must be those of the run.
        data: the data set, for a run that was trained on arrays in memory.

    Raises:
        RunFolderError: other settings or other cases than the run's, or no data folder to read.
    """
    run_folder = RunFolder.open(Path(folder))
    run = run_folder.run()
    refuse_other_settings(run, layers, run_folder)
    dataset = (data if data is not None else open_folder(data_folder(run, run_folder))).relabeled(run.data.label_map)
    split = sealed_split(dataset, run)
    if run_folder.read_json("split.json") != split_ids(split):
        raise RunFolderError(f"{folder}: the data set holds other cases than when the run began. Put them back, or start a new run.")
    engine = Engine.on(device, max_seconds, progress, checkpoint_seconds)
    return carry_on(make_job(run, dataset, split, progress), run_folder, engine, test)


def train_or_resume(
    data: Path | str | Dataset,
    layers: Layers,
    out: Path,
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """`resume` the run in `out` if there is one, on `data` (which may have moved), else `train` it."""
    if not (out / "run.yaml").is_file():
        return train(data, layers, out, device, max_seconds, progress, checkpoint_seconds=checkpoint_seconds)
    dataset = data if isinstance(data, Dataset) else open_folder(Path(data))
    return resume(out, layers, dataset, device, max_seconds, progress, checkpoint_seconds=checkpoint_seconds)


def data_folder(run: Run, folder: RunFolder) -> Path:
    """Where a run's data set lies.

    Raises:
        RunFolderError: nowhere: it was trained on arrays.
    """
    if run.data.folder is None:
        raise RunFolderError(f"{folder.path}: was trained on arrays in memory; give them again as data=...")
    return run.data.folder


def carry_on(job: Job, folder: RunFolder, engine: Engine, test: bool) -> Trained:
    """Train from wherever the folder stands to the end, then open, predict and score the test cases (where `test` says so)."""
    steps = job.run.training.steps
    seed_network(job.run.seed)
    method, loader = job.run.build(), job.loader(engine.device)
    with engine.stop:
        done = fit(job.run, method, loader, folder, engine, job.watched())
    if done.step < steps:
        if engine.show:
            say(f"Stopped after step {done.step} of {steps}: {engine.stop.reason()}.")
            say(f"Go on with: semiseg train --resume {folder.path}")
        return Trained(folder, False, done.step, steps)
    folder.save_weights(method)
    chosen = restore_best(folder, method, {}, last_stage(method.stages(steps)), done.looks, engine.device)
    if chosen is not None:
        folder.save_weights(method, selected=True)
    del method, loader
    folder.write_json("cost.json", cost(done, steps, engine.device))
    tested = [case for case in unseal(job.split.test, folder) if case.label is not None] if test else []
    if not tested:
        return Trained(folder, True, done.step, steps)
    selected = score(job, folder, tested, engine, looked_at(job.run, job.split)) if chosen else None
    return Trained(folder, True, done.step, steps, score(job, folder, tested, engine), selected)


def score(job: Job, folder: RunFolder, tested: Sequence[Case], engine: Engine, selected_on: Part | None = None) -> Evaluation:
    """Predict and score the test cases with the last step's weights, or with those that were chosen on `selected_on`."""
    source = replace(job.source, protocol=protocol_name(job.run, selected_on))
    with StepProgress("test", len(tested), show=engine.show) as bar:
        return score_test_cases(
            folder, tested, source, engine.device.type, lambda done, total: bar.update(done), selected=selected_on is not None
        )


def as_list(layers: Layers) -> Sequence[Mapping[str, Any]]:
    """One layer is a list of one."""
    return [layers] if isinstance(layers, Mapping) else layers


def refuse_other_settings(run: Run, layers: Layers, folder: RunFolder) -> None:
    """Raises RunFolderError naming every setting that differs from the run's."""
    asked = make_run(run.model_dump(), *as_list(layers))
    old, new = dict(flat(run.model_dump())), dict(flat(asked.model_dump()))
    changed = [f"{name} ({old.get(name)} -> {new.get(name)})" for name in old | new if old.get(name) != new.get(name)]
    if asked != run:
        raise RunFolderError(
            f"{folder.path}: a run is resumed with its own settings; asked to change {', '.join(changed)}. Start a new run for that."
        )
