"""From a data set to a finished run folder: open, split, prepare, train, and only then look at the test cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from semiseg.config import Run, flat, make_run
from semiseg.data.bank import Bank
from semiseg.data.dataset import Dataset, Split
from semiseg.data.folder import open_folder
from semiseg.data.loader import Loader
from semiseg.data.prepare import Prepared, prepare
from semiseg.devices import pick_device
from semiseg.errors import DataError, RunFolderError, SettingsError
from semiseg.evaluation.results import Evaluation, Provenance
from semiseg.methods import find_method
from semiseg.run_folder import RunFolder, refuse_existing
from semiseg.training.cost import cost
from semiseg.training.door import seal, unseal
from semiseg.training.fit import Engine, channels_last, fit
from semiseg.training.limits import StopRequest
from semiseg.training.progress import StepProgress, say
from semiseg.training.provenance import provenance
from semiseg.training.resolve import dataset_layer, resolved
from semiseg.training.scoring import score_test_cases
from semiseg.training.seeds import seed_network

Layers = Mapping[str, Any] | Sequence[Mapping[str, Any]]
"""Nested settings such as `{"method": "cml", "data": {"labeled": 8}}`, or several, later ones winning."""


@dataclass(frozen=True)
class Trained:
    """What a call of `train` or `resume` left. `evaluation`: of the test cases that have labels, once the last step is done."""

    folder: RunFolder
    finished: bool
    step: int
    steps: int
    evaluation: Evaluation | None = None


def train(
    data: Path | str | Dataset,
    layers: Layers = (),
    out: Path | str = "runs/run",
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool = True,
    test: bool = True,
    checkpoint_seconds: float = 60.0,
) -> Trained:
    """Train a method and leave a run folder that `load` predicts with.

    Args:
        data: a folder (see `open_folder`), or a data set, which may hold arrays.
        layers: settings.
        out: the new run folder.
        device: auto, cpu, cuda or mps.
        max_seconds: stop after this time, so that `resume` can go on.
        progress: show progress and remaining time on stderr.
        test: predict and score the test cases when the last step is done; False leaves them closed.
        checkpoint_seconds: time between saved states, which is what a kill loses at most.

    Raises:
        SemisegError: settings, data or folder are not usable; all checks come before the first step.
    """
    where = pick_device(device)
    dataset = data if isinstance(data, Dataset) else open_folder(Path(data))
    folder = None if isinstance(data, Dataset) else str(Path(data).resolve())
    asked = make_run(dataset_layer(dataset, folder), *as_list(layers))
    dataset = dataset.relabeled(asked.data.label_map)
    if progress:
        say(dataset.summary())
    split = sealed_split(dataset, asked)
    refuse_existing(Path(out))
    run, labeled, unlabeled = prepared_run(asked, dataset, split, progress)
    run_folder = RunFolder.create(Path(out), run)
    run_folder.write_json("split.json", split_ids(split))
    engine, source = Engine(where, StopRequest(max_seconds), progress, checkpoint_seconds), provenance(run, dataset, split.labeled)
    return carry_on(run, run_folder, split if test else replace(split, test=()), labeled, unlabeled, engine, source)


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
    if data is None and run.data.folder is None:
        raise RunFolderError(f"{folder}: was trained on arrays in memory; give them again as data=...")
    dataset = (data if data is not None else open_folder(Path(str(run.data.folder)))).relabeled(run.data.label_map)
    split = sealed_split(dataset, run)
    if run_folder.read_json("split.json") != split_ids(split):
        raise RunFolderError(f"{folder}: the data set holds other cases than when the run began. Put them back, or start a new run.")
    _, labeled, unlabeled = prepared_run(run, dataset, split, progress)
    engine = Engine(pick_device(device), StopRequest(max_seconds), progress, checkpoint_seconds)
    source = provenance(run, dataset, split.labeled)
    return carry_on(run, run_folder, split if test else replace(split, test=()), labeled, unlabeled, engine, source)


def sealed_split(dataset: Dataset, run: Run) -> Split:
    """The run's split, its test cases closed (see `door`)."""
    split = dataset.split(run.data.labeled, run.data.draw)
    return replace(split, test=seal(split.test))


def prepared_run(asked: Run, dataset: Dataset, split: Split, show: bool) -> tuple[Run, list[Prepared], list[Prepared]]:
    """The resolved run, and the prepared labelled and unlabelled scans."""
    classes = asked.data.classes or split.classes
    uses_unlabeled = find_method(asked.method).uses_unlabeled
    if uses_unlabeled and not split.unlabeled:
        raise DataError(
            f"{dataset.name}: {asked.method} learns from unlabelled scans, and there are none. Add some, or use method=supervised."
        )
    if uses_unlabeled and not asked.training.unlabeled_batch:
        raise SettingsError(
            f"training.unlabeled_batch is 0, and {asked.method} learns from unlabelled scans. Use method=supervised without them."
        )
    preparation = resolved(asked, dataset, split, classes, ()).preparation
    cases = [*split.labeled, *(split.unlabeled if uses_unlabeled else ())]
    with StepProgress("prepare", len(cases), show=show) as bar:
        prepared = prepare(cases, preparation, len(classes) + 1, progress=lambda done, total: bar.update(done))
    labeled = [item for item in prepared if item.label is not None]
    unlabeled = [item for item in prepared if item.label is None]
    return resolved(asked, dataset, split, classes, [item.image.shape[1:] for item in prepared]), labeled, unlabeled


def carry_on(
    run: Run,
    folder: RunFolder,
    split: Split,
    labeled: list[Prepared],
    unlabeled: list[Prepared],
    engine: Engine,
    source: Provenance,
) -> Trained:
    """Train from wherever the folder stands to the end, then open, predict and score the test cases."""
    training = run.training
    seed_network(run.seed)
    method = run.build()
    loader = Loader(
        held(labeled, engine.device),
        held(unlabeled, engine.device) if unlabeled else None,
        training.patch,
        training.labeled_batch,
        training.unlabeled_batch if unlabeled else 0,
        run.augmentation,
        run.seed,
        channels_last(training.patch),
    )
    with engine.stop:
        done = fit(run, method, loader, folder, engine)
    if done.step < training.steps:
        if engine.show:
            say(f"Stopped after step {done.step} of {training.steps}: {engine.stop.reason()}.")
            say(f"Go on with: semiseg train --resume {folder.path}")
        return Trained(folder, False, done.step, training.steps)
    folder.save_weights(method)
    del method, loader
    folder.write_json("cost.json", cost(done.seconds, training.steps, engine.device))
    tested = [case for case in unseal(split.test, folder) if case.label is not None]
    if not tested:
        return Trained(folder, True, done.step, training.steps)
    with StepProgress("test", len(tested), show=engine.show) as bar:
        evaluation = score_test_cases(folder, tested, source, engine.device.type, lambda done, total: bar.update(done))
    return Trained(folder, True, done.step, training.steps, evaluation)


def held(prepared: list[Prepared], device: torch.device) -> Bank:
    """The scans on a CUDA device if they take less than a third of what is free there, else where they lie."""
    fits = device.type == "cuda" and Bank.size_in_bytes(prepared) < torch.cuda.mem_get_info(device)[0] / 3
    return Bank(prepared, device, resident=fits)


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


def split_ids(split: Split) -> dict[str, list[str]]:
    """The split as case ids, for the run folder."""
    return {part: [case.id for case in getattr(split, part)] for part in ("labeled", "unlabeled", "validation", "test")}
