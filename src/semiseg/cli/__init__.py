"""The command line: parse, call one function, print. Nothing here imports PyTorch before a command needs it."""

from __future__ import annotations

from typing import Annotated

import typer

from semiseg.cli.benchmark import benchmark
from semiseg.cli.brats2019 import prepare_brats2019
from semiseg.cli.check import check
from semiseg.cli.curve import curve
from semiseg.cli.demo import demo
from semiseg.cli.evaluate import evaluate
from semiseg.cli.manifest import manifest
from semiseg.cli.methods import methods
from semiseg.cli.output import Group
from semiseg.cli.plan import plan
from semiseg.cli.predict import import_weights, predict
from semiseg.cli.report import compare, report
from semiseg.cli.train import train

app = typer.Typer(cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
for command in (
    check,
    manifest,
    plan,
    train,
    predict,
    evaluate,
    report,
    compare,
    benchmark,
    curve,
    methods,
    import_weights,
    prepare_brats2019,
    demo,
):
    app.command()(command)


def print_version(asked: bool) -> None:
    """What `--version` does."""
    if asked:
        from semiseg import __version__

        typer.echo(f"semiseg {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[bool, typer.Option("--version", callback=print_version, is_eager=True, help="Print the version.")] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error. May stand anywhere on the line.")] = False,
) -> None:
    """Train a good 2D or 3D segmentation model from a handful of labelled scans and a pile of unlabelled ones."""
