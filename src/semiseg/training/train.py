"""From a data set to a finished run folder: open, split, prepare, train, and only then look at the test cases."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from semiseg.config import Run
from semiseg.data.dataset import Dataset
from semiseg.data.folder import open_folder
from semiseg.errors import RunFolderError, TrainingError
from semiseg.evaluation.results import Evaluation
from semiseg.lock import alone, clear_leftovers
from semiseg.methods import Method
from semiseg.planning.show import as_dict
from semiseg.ranks.group import ALONE, Ranks
from semiseg.run_folder import RunFolder, refuse_existing
from semiseg.training.asked import Layers, as_list, asked, refuse_another_request, settled
from semiseg.training.checkpoint import Progress
from semiseg.training.cost import cost
from semiseg.training.fit import Engine, fit
from semiseg.training.job import Job, make_job, refuse_odd_stride, sealed_split, split_ids
from semiseg.training.scoring import score_test_cases
from semiseg.training.seeds import seed_network
from semiseg.training.selection import last_stage, restore_best
from semiseg.training.start import start


@dataclass(frozen=True)
class Trained:
    """What a call of `train` or `resume` left.

    Attributes:
        finished: the last step is done, and the test cases are scored if they were to be.
        evaluation: of the test cases that have labels.
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
    ranks: Ranks = ALONE,
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
        ranks: of `join`, where several processes call this function alike: they share the work of one training.

    Raises:
        SemisegError: settings, data or folder are not usable; all checks come before the first step.
    """
    engine = Engine.on(device, max_seconds, progress, checkpoint_seconds, ranks)
    if ranks.is_first:
        job, folder = ranks.tell(lambda: begin(data, layers, None if out is None else Path(out), engine), lambda begun: begun[1])
    else:
        folder = ranks.told()
        job = reopened(folder, (), data if isinstance(data, Dataset) else None, engine)
    try:
        return sitting(job, folder, engine, test)
    except Exception as error:
        if ranks.is_first and not isinstance(error, TrainingError):  # which may be mended outside, and the run resumed
            folder.discard_unbegun()
        raise


def begin(data: Path | str | Dataset, layers: Layers, out: Path | None, engine: Engine) -> tuple[Job, RunFolder]:
    """A new training and its folder."""
    if out is not None:
        refuse_existing(out)
    begun = start(data, as_list(layers), engine.device, engine.show)
    job = make_job(begun.plan.run, begun.dataset, begun.split, engine.show, begun.plan.workers)
    plan = {**as_dict(begun.plan), "asked": asked(layers)}
    return job, RunFolder.create(out if out is not None else begun.free_folder(), job.run, split_ids(begun.split), plan)


def resume(
    folder: Path | str,
    layers: Layers = (),
    data: Dataset | None = None,
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
    test: bool = True,
    checkpoint_seconds: float = 60.0,
    ranks: Ranks = ALONE,
) -> Trained:
    """Go on with a run that was stopped or killed, exactly where its last saved state is.

    Args:
        folder: the run folder.
        layers: settings, if given, must be those of the run; `inference` may change once the last step is done.
        data: the data set, for a run that was trained on arrays in memory.
        ranks: as for `train`; their number may be another one than before.

    Raises:
        RunFolderError: other settings or other cases than the run's, or no data folder to read.
    """
    engine = Engine.on(device, max_seconds, progress, checkpoint_seconds, ranks)
    job = ranks.in_turn(lambda: reopened(RunFolder.open(Path(folder)), layers, data, engine))
    return sitting(job, RunFolder(Path(folder)), engine, test)


def reopened(folder: RunFolder, layers: Layers, data: Dataset | None, engine: Engine) -> Job:
    """A training that was begun, from its folder."""
    run = settled(folder, layers)
    refuse_odd_stride(run)
    dataset = (data if data is not None else open_folder(data_folder(run, folder))).relabeled(run.data.label_map)
    split = sealed_split(dataset, run)
    if folder.read_json("split.json") != split_ids(split):
        raise RunFolderError(f"{folder.path}: the data set holds other cases than when the run began. Put them back, or start a new run.")
    return make_job(run, dataset, split, engine.show)


def train_or_resume(
    data: Path | str | Dataset,
    layers: Layers,
    out: Path,
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
    checkpoint_seconds: float = 60.0,
    ranks: Ranks = ALONE,
) -> Trained:
    """`resume` the run in `out` if there is one, on `data` (which may have moved), else `train` it.

    Raises:
        RunFolderError: the layers would not have begun the run that is there.
    """
    if not ranks.first((out / "run.yaml").is_file):
        return train(data, layers, out, device, max_seconds, progress, checkpoint_seconds=checkpoint_seconds, ranks=ranks)
    refuse_another_request(RunFolder(out), layers)
    dataset = data if isinstance(data, Dataset) else open_folder(Path(data))
    return resume(out, layers, dataset, device, max_seconds, progress, checkpoint_seconds=checkpoint_seconds, ranks=ranks)


def data_folder(run: Run, folder: RunFolder) -> Path:
    """Where a run's data set lies.

    Raises:
        RunFolderError: nowhere: it was trained on arrays.
    """
    if run.data.folder is None:
        raise RunFolderError(f"{folder.path}: was trained on arrays in memory; give them again as data=...")
    return run.data.folder


def sitting(job: Job, folder: RunFolder, engine: Engine, test: bool) -> Trained:
    """`carry_on`, as the only one at work on the folder.

    Raises:
        RunFolderError: another process is at work there.
    """
    with ExitStack() as stack:
        engine.ranks.first(lambda: stack.enter_context(alone(folder.path / ".run.lock", folder.path)))
        engine.ranks.first(lambda: clear_leftovers(folder.path))
        return carry_on(job, folder, engine, test)


def carry_on(job: Job, folder: RunFolder, engine: Engine, test: bool) -> Trained:
    """Train from wherever the folder stands to the end, then open, predict and score the test cases (where `test` says so)."""
    steps = job.run.training.steps
    done, chosen = learn(job, folder, engine)
    if done.step < steps:
        engine.say_stopped(f"after step {done.step} of {steps}", folder.path)
        return Trained(folder, False, done.step, steps)
    if not test:
        return Trained(folder, True, done.step, steps)
    scores = engine.ranks.first(lambda: score_test_cases(job, folder, engine, chosen))
    if scores is None:
        return Trained(folder, False, done.step, steps)
    return Trained(folder, True, done.step, steps, scores.last, scores.selected)


def learn(job: Job, folder: RunFolder, engine: Engine) -> tuple[Progress, bool]:
    """Train, and at the end keep the weights; how far it came, and whether some were chosen by looks. Leaves nothing in memory."""
    seed_network(job.run.seed)
    method, loader = job.run.build(), job.loader(engine.device)
    with engine.stop:
        done = fit(job.run, method, loader, folder, engine, job.watched())
    finished = done.step == job.run.training.steps
    return done, finished and engine.ranks.first(lambda: keep_weights(job.run, method, folder, done, engine.device))


def keep_weights(run: Run, method: Method[Any], folder: RunFolder, done: Progress, device: torch.device) -> bool:
    """Write the weights of the last step, those of the best look if there were any, and what the training took; whether there were.

    Once they are there they stay: masks that were predicted with them still hold.
    """
    steps = run.training.steps
    if folder.weights.is_file() and folder.read_json("cost.json") is not None:
        return folder.selected_weights.is_file()
    folder.save_weights(method)
    chosen = restore_best(folder, method, {}, last_stage(method.stages(steps)), done.looks, device)
    if chosen is not None:
        folder.save_weights(method, selected=True)
    folder.write_json("cost.json", cost(done, steps, device))
    return chosen is not None
