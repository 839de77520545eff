"""`semiseg train`: a data folder in, a run folder out."""

from __future__ import annotations

import itertools
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semiseg.cli.label_map import LabelMap
from semiseg.cli.output import STOPPED_EARLY, AsJson, Device, print_json, print_text

if TYPE_CHECKING:
    from semiseg.training.train import Trained


def parse_seconds(text: str) -> float:
    """`90s`, `30m`, `2h` or `1h30m` as seconds."""
    match = re.fullmatch(r"(?:([\d.]+)h)?(?:([\d.]+)m)?(?:([\d.]+)s)?", text.strip())
    try:
        parts = [float(part or 0) for part in match.groups()] if match and text.strip() else []
    except ValueError:
        parts = []
    if not sum(parts) > 0:
        raise typer.BadParameter(f"{text!r} is no time; expected for instance 90s, 30m, 2h or 1h30m.")
    return sum(part * unit for part, unit in zip(parts, (3600, 60, 1), strict=True))


def parse_setting(text: str) -> dict[str, Any]:
    """`training.learning_rate=0.01` as nested values, the value read as YAML."""
    import yaml

    place, equals, value = text.partition("=")
    keys = [key.strip() for key in place.split(".")]
    if not equals or not all(keys):
        raise typer.BadParameter(f"{text!r}: expected key.path=value, for instance training.learning_rate=0.01.")
    try:
        nested = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise typer.BadParameter(f"{text!r}: the value is not YAML.") from error
    for key in reversed(keys):
        nested = {key: nested}
    return dict(nested)


def train(
    data: Annotated[
        Path | None, typer.Argument(help="The data folder, or a manifest. Not needed with --resume.", show_default=False)
    ] = None,
    config: Annotated[
        str | None, typer.Option(help="A run file, or a published one by its name: la, acdc, hippocampus.", show_default=False)
    ] = None,
    method: Annotated[str | None, typer.Option(help="See `semiseg methods`. Default: cml.", show_default=False)] = None,
    labeled: Annotated[int | None, typer.Option(help="Labelled scans (patients) to use. Default: all.", show_default=False)] = None,
    draw: Annotated[int | None, typer.Option(help="Which draw of labelled scans; 0 is the first N.", show_default=False)] = None,
    label_map: LabelMap = None,
    out: Annotated[Path | None, typer.Option(help="The run folder to make. Default: runs/DATA-METHOD.", show_default=False)] = None,
    steps: Annotated[int | None, typer.Option(help="Training steps of all stages together.", show_default=False)] = None,
    seed: Annotated[int | None, typer.Option(help="Of the network, the sampling and the augmentation.", show_default=False)] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY.PATH=VALUE", help="Any setting of the run; may be repeated."),
    ] = None,
    device: Device = "auto",
    max_time: Annotated[
        float | None, typer.Option(parser=parse_seconds, metavar="TIME", help="Stop after 90s, 30m, 2h; resume later.")
    ] = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with this run folder.", show_default=False)] = None,
    control: Annotated[
        bool, typer.Option("--control", help="Then train the supervised control at equal budget: what did the unlabelled scans buy?")
    ] = False,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads. Default: PyTorch's choice.", show_default=False)] = None,
    test: Annotated[bool, typer.Option(help="Predict and score the test cases when the last step is done.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a method on a folder of scans. Exit code 3: stopped early, can be resumed."""
    if data is None and resume is None:
        raise typer.BadParameter("give a data folder, or --resume RUN.", param_hint="DATA")
    if resume is not None and out is not None:
        raise typer.BadParameter("a resumed run stays in its folder.", param_hint="--out")
    if control and not test:
        raise typer.BadParameter("a control is compared on the test cases.", param_hint="--control")
    import torch

    from semiseg.config import make_run, read_layers
    from semiseg.data.folder import open_folder
    from semiseg.training import train as training
    from semiseg.training.control import control_run

    if threads is not None:
        torch.set_num_threads(threads)
    began = time.monotonic()
    given = {
        "method": method,
        "seed": seed,
        "data": {"labeled": labeled, "draw": draw, "label_map": label_map},
        "training": {"steps": steps},
    }
    layers = [read_layers(config), without_none(given), *map(parse_setting, settings or [])]
    if control and resume is None:
        control_run(make_run(*layers))  # refused now, not after the training
    if resume is not None:
        dataset = open_folder(data) if data is not None else None  # the folder may have moved
        trained = training.resume(resume, layers, dataset, device, max_time, test=test)
    else:
        assert data is not None
        trained = training.train(data, layers, out or free_folder(Path("runs"), data, layers), device, max_time, test=test)
    beside = train_control(trained, data, device, max_time, began) if control and trained.finished else None
    report(trained, as_json, beside)
    if not trained.finished or (beside is not None and not beside.finished):
        raise typer.Exit(STOPPED_EARLY)


def train_control(trained: Trained, data: Path | None, device: str, max_time: float | None, began: float) -> Trained:
    """The control of a finished run, in what is left of the time."""
    from semiseg.data.folder import open_folder
    from semiseg.training import control

    dataset = open_folder(data) if data is not None and trained.folder.run().data.folder != data.resolve() else None
    left = None if max_time is None else max(max_time - (time.monotonic() - began), 0.0)
    return control.train_control(trained.folder, dataset, device, left)


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Nested values without those that were not given, so that they do not hide a run file's."""
    nested = {key: without_none(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in nested.items() if value is not None}


def free_folder(parent: Path, data: Path, layers: list[dict[str, Any]]) -> Path:
    """`parent/DATA-METHOD`, with a number behind it where that is taken."""
    from semiseg.config import make_run

    source = data.with_suffix("") if data.is_file() else data
    name = f"{source.resolve().name}-{make_run(*layers).method.rpartition(':')[2]}"  # of `module:Class`, the class
    names = itertools.chain([name], (f"{name}-{k}" for k in itertools.count(2)))
    return next(parent / free for free in names if not (parent / free).exists())


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
    print_text(f"{trained.folder.path}: {trained.step} of {trained.steps} steps")
    if trained.evaluation is not None:
        print_text(trained.evaluation.to_text())
    if control is not None:
        print_text(f"{control.folder.path}: {control.step} of {control.steps} steps")
    if gain is not None:
        print_text(gain["sentence"])
    elif control is not None and not control.finished:
        print_text(f"Go on with: semiseg train --resume {trained.folder.path} --control")
