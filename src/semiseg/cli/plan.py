"""`semiseg plan`, and the dry run of `semiseg train`: what would be trained on a folder, why, and what it would take."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from semiseg.cli.label_map import LabelMap
from semiseg.cli.output import AsJson, Device, print_json, print_note, print_table, print_text
from semiseg.cli.run_options import AnySetting, Budget, ConfigFile, LabelDraw, MethodName, Steps, Threads, layers_of
from semiseg.errors import RunFolderError
from semiseg.writable import refuse_unwritable

if TYPE_CHECKING:
    from semiseg.planning.plan import Plan
    from semiseg.training.trial import Trial


def plan(
    data: Annotated[Path, typer.Argument(help="The data folder, or a manifest.", show_default=False)],
    config: ConfigFile = None,
    method: MethodName = None,
    labeled: Budget = None,
    draw: LabelDraw = None,
    label_map: LabelMap = None,
    steps: Steps = None,
    settings: AnySetting = None,
    device: Device = "auto",
    threads: Threads = None,
    out: Annotated[Path | None, typer.Option(help="Write a run file for `train --config`.", show_default=False)] = None,
    as_json: AsJson = False,
) -> None:
    """Choose all settings that are open from the scans and the machine, and say why. Reads headers and a few scans; trains nothing."""
    import torch

    from semiseg.devices import pick_device
    from semiseg.planning.show import as_run_file
    from semiseg.training.start import start

    if out is not None and out.exists():
        raise RunFolderError(f"{out}: exists already, and may have been edited. Choose another name, or remove it.")
    if out is not None:
        refuse_unwritable(out, "--out")
    if threads is not None:
        torch.set_num_threads(threads)
    layers = layers_of(config, method, None, {"labeled": labeled, "draw": draw, "label_map": label_map}, steps, settings)
    begun = start(data, layers, pick_device(device), show=False)
    if out is not None:
        out.write_text(as_run_file(begun.plan, begun.dataset.name), encoding="utf-8")
        print_note(f"Train with: semiseg train {data} --config {out}")
    report(begun.dataset.summary(), begun.plan, as_json)


def report(summary: str, plan: Plan, as_json: bool, trial: Trial | None = None) -> None:
    """The plan as a table or as JSON, with what was measured."""
    from semiseg.planning.show import as_dict, cost_text, table_rows

    if as_json:
        measured: dict[str, Any] = {} if trial is None else {"measured": trial.as_dict()}
        print_json({**as_dict(plan), "run": plan.run.model_dump(mode="json"), **measured})
        return
    print_text(f"{summary}\nmachine: {plan.machine}")
    print_table("plan", ("setting", "value", "why"), table_rows(plan))
    if trial is None:
        print_text(f"expected: {cost_text(plan)}")
    else:
        print_text(in_words(trial))


def in_words(trial: Trial) -> str:
    """What a dry run measured."""
    from semiseg.training.progress import format_seconds

    memory = "not told by this system" if trial.peak_memory is None else f"{trial.peak_memory / 2**20:.0f} MB"
    stages = "; ".join(f"{stage.name}: {stage.steps} steps of {stage.seconds_per_step:.2f} s" for stage in trial.stages)
    return (
        f"measured: peak memory {memory}; {stages}\n"
        f"expected: {format_seconds(trial.training_seconds)} of training, and the test scans; "
        f"preparing took {format_seconds(trial.preparation_seconds)}, and is done"
    )


def dry_run(data: Path, layers: list[dict[str, Any]], device: str, as_json: bool) -> None:
    """Plan, prepare, and measure the first steps; no run folder."""
    from semiseg.devices import pick_device
    from semiseg.training.start import start
    from semiseg.training.trial import try_out

    where = pick_device(device)
    begun = start(data, layers, where, show=False)
    report(begun.dataset.summary(), begun.plan, as_json, try_out(begun, where))
