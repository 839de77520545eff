"""`semiseg curve`: Dice over label budgets, and how many more labels the next point of Dice would take."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from semiseg.cli.label_map import LabelMap
from semiseg.cli.output import STOPPED_EARLY, AsJson, Device, print_json, print_note, print_text
from semiseg.cli.run_options import AnySetting, ConfigFile, MaxTime, Steps, layers_of
from semiseg.ranks.launch import place
from semiseg.writable import refuse_unwritable


def numbers(text: str) -> list[int]:
    """`4,8,16` as numbers, each once."""
    try:
        found = [int(part) for part in text.replace(",", " ").split()]
    except ValueError:
        found = []
    if not found or min(found) < 0:
        raise typer.BadParameter(f"{text!r}: expected numbers with commas between them, for instance 4,8,16.")
    return list(dict.fromkeys(found))


def curve(
    data: Annotated[Path | None, typer.Argument(help="The data folder to train on. Not needed with --runs.", show_default=False)] = None,
    budgets: Annotated[
        str | None, typer.Option(metavar="N,N,...", help="Labelled scans (patients), three budgets or more.", show_default=False)
    ] = None,
    seeds: Annotated[str, typer.Option(metavar="S,S,...", help="A training of each budget with each seed.")] = "0,1",
    draws: Annotated[str, typer.Option(metavar="D,D,...", help="And with each draw of labelled scans; 0 is the first N.")] = "0",
    runs: Annotated[
        list[Path] | None, typer.Option(help="Finished runs instead: a run, or a folder of runs; may be repeated.", show_default=False)
    ] = None,
    method: Annotated[str | None, typer.Option(help="See `semiseg methods`. Default: cml.", show_default=False)] = None,
    config: ConfigFile = None,
    label_map: LabelMap = None,
    steps: Steps = None,
    settings: AnySetting = None,
    out: Annotated[Path, typer.Option(help="Folder of the trainings and of the page.")] = Path("curve"),
    device: Device = "auto",
    max_time: MaxTime = None,
    as_json: AsJson = False,
) -> None:
    """Train a method at several label budgets, or read finished runs, and say what more labels would bring. Finished trainings are kept.

    Writes curve.html, curve.json, curve.png and tables/ into --out. Exit code 3: stopped early; the same line goes on.
    """
    if (data is None) == (not runs):
        raise typer.BadParameter("give a data folder and --budgets, or finished runs with --runs.", param_hint="DATA")
    if data is not None and budgets is None:
        raise typer.BadParameter("give the label budgets to train with, for instance 4,8,16.", param_hint="--budgets")
    if place().world > 1:
        raise typer.BadParameter("several processes share a training, not a curve; start it without torchrun or srun.", param_hint="DATA")
    folders = list(runs or [])
    complete = True
    if data is not None:
        assert budgets is not None
        layers = [
            {"method": "cml"},
            *layers_of(config, method, None, {"label_map": label_map}, steps, settings),
        ]  # without it, a plan may take the control
        refuse_unwritable(out, "--out", folder=True)
        wanted = numbers(budgets), numbers(seeds), numbers(draws)
        folders, complete = train_all(data, layers, wanted, out, device, max_time)
    if folders:
        tell(folders, out, as_json)
    if not complete:
        print_note("Stopped early: the same line goes on.")
        raise typer.Exit(STOPPED_EARLY)


def train_all(
    data: Path,
    layers: list[dict[str, object]],
    wanted: tuple[list[int], list[int], list[int]],
    out: Path,
    device: str,
    max_time: float | None,
) -> tuple[list[Path], bool]:
    """The folders of what is trained, and whether that is all."""
    from semiseg.training.budgets import points, refuse_impossible, train_points

    every = points(*wanted)
    refuse_impossible(data, layers, every)
    done = [folder.path for folder in train_points(data, layers, every, out, device, max_time)]
    return done, len(done) == len(every)


def tell(folders: list[Path], out: Path, as_json: bool) -> None:
    """Measure, write the page and its files, and print what was found."""
    from semiseg.reporting.budget_figure import budget_figure
    from semiseg.reporting.curve import budget_table, curve_report, curves_of, efficiency
    from semiseg.reporting.files import write_files
    from semiseg.reporting.runs import grouped, read_trainings
    from semiseg.run_folder import RunFolder

    trainings, unfinished = read_trainings(folders)
    members = curves_of(grouped(trainings))
    curves = {name: efficiency(groups) for name, groups in members.items()}
    page = curve_report("Label efficiency", members, curves)
    write_files(page, out / "curve.html")
    (out / "curve.png").write_bytes(budget_figure(curves))
    found = {"curves": {name: each.as_dict() for name, each in curves.items()}, "origin": dict(page.origin)}
    RunFolder(out).write_json("curve.json", found)
    if unfinished:
        print_note(f"{len(unfinished)} runs have no scores yet and are left out, such as {unfinished[0]}.")
    if as_json:
        print_json({**found, "report": out / "curve.html", "left_out": unfinished})
    else:
        print_text(f"{budget_table(curves).plain()}\n{page.summary}\nreport: {out / 'curve.html'}")
