"""The options that say what to train and for how long, which several commands share; settings come out as layers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, Any

import typer


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


ConfigFile = Annotated[
    str | None,
    typer.Option("--config", help="A run file, or a published one by its name: la, acdc, brats2019, hippocampus.", show_default=False),
]
MethodName = Annotated[
    str | None, typer.Option("--method", help="See `semiseg methods`. Default: cml, or supervised if all have labels.", show_default=False)
]
Budget = Annotated[int | None, typer.Option("--labeled", help="Labelled scans (patients) to use. Default: all.", show_default=False)]
LabelDraw = Annotated[int | None, typer.Option("--draw", help="Which draw of labelled scans; 0 is the first N.", show_default=False)]
Fold = Annotated[
    str | None,
    typer.Option("--fold", metavar="K/N", help="Test on the K-th of N parts of the cases, train on the others.", show_default=False),
]
MaxTime = Annotated[
    float | None, typer.Option("--max-time", parser=parse_seconds, metavar="TIME", help="Stop after 90s, 30m, 2h, to go on later.")
]
RayAddress = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="auto|ADDRESS",
        help="Run on the machines of a Ray cluster: HOST:PORT, or auto for the one that runs here, else this machine alone.",
        show_default=False,
    ),
]
Steps = Annotated[int | None, typer.Option("--steps", help="Training steps of all stages together.", show_default=False)]
Seed = Annotated[int | None, typer.Option("--seed", help="Of the network, the sampling and the augmentation.", show_default=False)]
AnySetting = Annotated[list[str] | None, typer.Option("--set", metavar="KEY.PATH=VALUE", help="Any setting of the run; may be repeated.")]
Threads = Annotated[int | None, typer.Option("--threads", min=1, help="CPU threads. Default: PyTorch's choice.", show_default=False)]


def layers_of(
    config: str | None,
    method: str | None,
    seed: int | None,
    data: dict[str, Any],
    steps: int | None,
    settings: Sequence[str] | None,
) -> list[dict[str, Any]]:
    """A run file, then the options, then `--set`; later ones win."""
    from semiseg.config import read_layers

    given = {"method": method, "seed": seed, "data": data, "training": {"steps": steps}}
    return [read_layers(config), without_none(given), *map(parse_setting, settings or [])]


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


def without_none(values: dict[str, Any]) -> dict[str, Any]:
    """Nested values without those that were not given, so that they do not hide a run file's."""
    nested = {key: without_none(value) if isinstance(value, dict) else value for key, value in values.items()}
    return {key: value for key, value in nested.items() if value is not None}
