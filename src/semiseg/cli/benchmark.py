"""`semiseg benchmark`: a grid of trainings from one file, and its tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from semiseg.cli.output import FAILED, STOPPED_EARLY, AsJson, Device, print_json, print_table, print_text
from semiseg.cli.run_options import MaxTime, RayAddress

if TYPE_CHECKING:
    from semiseg.benchmark.state import State
    from semiseg.benchmark.training import Training


def parse_folder(text: str) -> tuple[str | None, Path]:
    """`NAME=FOLDER`, or a folder alone."""
    name, equals, folder = text.partition("=")
    return (name, Path(folder)) if equals else (None, Path(text))


def benchmark(
    grid: Annotated[
        str | None, typer.Argument(help="A grid file, or one that comes with the package (see --list).", show_default=False)
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option(metavar="[NAME=]FOLDER", help="Where a data set of the grid is; may be repeated.", show_default=False),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder of the results. Default: runs/GRID.", show_default=False)] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Trainings at a time; they share the cores. Default: 1; with --ray one a GPU, or a machine.", show_default=False
        ),
    ] = None,
    ray: RayAddress = None,
    device: Device = "auto",
    max_time: MaxTime = None,
    retries: Annotated[int, typer.Option(min=0, help="How often a training that failed is tried again.")] = 1,
    listed: Annotated[bool, typer.Option("--list", help="List the grids that come with the package.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Check the grid and list its trainings; train nothing.")] = False,
    results: Annotated[bool, typer.Option("--results", help="Write the tables of what is finished; train nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a grid: methods, data, label budgets, seeds. Exit code 1: some failed; 3: stopped early; the same command goes on."""
    from semiseg.benchmark import grid as grids

    if listed:
        shipped = grids.shipped()
        print_json(shipped) if as_json else print_table("Grids", ("name", "about"), shipped.items())
        return
    if grid is None:
        raise typer.BadParameter("give a grid file, or the name of one (see --list).", param_hint="GRID")
    from semiseg.benchmark.check import checked
    from semiseg.benchmark.executor import make_executor
    from semiseg.benchmark.report import write_results
    from semiseg.benchmark.run import run_grid
    from semiseg.benchmark.state import State

    read = grids.read_grids(grid, dict(map(parse_folder, data or [])))
    trainings, folder = grids.unrolled(read), out or Path("runs") / Path(grid).stem
    if results:
        state = State(folder, trainings)
    else:
        runs = checked(trainings, folder)
        if check:
            state = State(folder, trainings)
        else:
            state = run_grid(trainings, runs, folder, make_executor(folder, jobs, device, ray, trainings), max_time, retries)
    if check:
        tell_plan(trainings, state, as_json)
    else:
        tell(state, write_results(read[0].name, trainings, state, folder), as_json)
    if state.named("failed"):
        raise typer.Exit(FAILED)
    if len(state.named("finished")) < len(trainings) and not (results or check):
        raise typer.Exit(STOPPED_EARLY)


def tell_plan(trainings: list[Training], state: State, as_json: bool) -> None:
    """The trainings in their order."""
    if as_json:
        print_json([{"run": training.name, "status": state.entries[training.name].status} for training in trainings])
    else:
        print_text("\n".join(f"{training.name}: {state.entries[training.name].status}" for training in trainings))


def tell(state: State, files: list[Path], as_json: bool) -> None:
    """How it ended, and the table."""
    done = f"{len(state.named('finished'))} of {len(state.entries)} trainings finished"
    if as_json:
        print_json({"out": state.out, "trainings": {name: entry.status for name, entry in state.entries.items()}, "files": files})
    else:
        print_text("\n".join([files[0].read_text(encoding="utf-8").rstrip(), "", done, *map(str, files)]))
