"""`semiseg methods`: what there is to train, and the settings of each."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

import typer

from semiseg.cli.output import AsJson, print_json, print_table, print_text
from semiseg.errors import SettingsError

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from semiseg.methods import Method

COMPARISONS = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
EXAMPLE_PATCH = 64


def methods(
    name: Annotated[str | None, typer.Argument(help="One method, for its settings.", show_default=False)] = None, as_json: AsJson = False
) -> None:
    """List the methods, or the settings of one (a listed one, or `module:Class`).

    Networks are encoders + decoders that learn; passes a step are how often these run over the step's images, encoders + decoders,
    teachers included.
    """
    from semiseg.methods import METHODS, find_method

    if name is None:
        facts = [method_facts(known, method) for known, method in METHODS.items()]
        if as_json:
            print_json(facts)
        else:
            print_table(
                "",
                ("name", "year", "networks", "passes a step", "parameters 2D / 3D", "paper"),
                [(f["name"], str(f["year"]), networks(f), passes(f), in_words(f["parameters"]), f["paper"]) for f in facts],
            )
        return
    method = find_method(name)
    describe(method_facts(name, method), method, as_json)


def describe(facts: dict[str, Any], method: type[Method[Any]], as_json: bool) -> None:
    """One method with its settings."""
    settings = [setting_facts(name, field) for name, field in method.Settings.model_fields.items()]
    if as_json:
        print_json({**facts, "settings": settings})
        return
    print_text(f"{facts['title']} ({facts['name']}): {facts['paper']}")
    print_text(f"parameters 2D / 3D: {in_words(facts['parameters'])}; networks: {networks(facts)}; passes a step: {passes(facts)}\n")
    rows = [(s["name"], shown(s["default"]), f"{s['description']} [{s['allowed']}]") for s in settings]
    print_table("Change one with --set settings.NAME=VALUE", ("setting", "default", "meaning [allowed]"), rows)


def method_facts(name: str, method: type[Method[Any]]) -> dict[str, Any]:
    """Name, source, size and cost of a method."""
    from semiseg.methods.footprint import footprint

    parameters = {f"{dimensions}D": count_parameters(method, dimensions) for dimensions in (2, 3)}
    return {
        "name": name,
        "title": method.title,
        "paper": method.paper,
        "year": method.year,
        "parameters": parameters,
        **asdict(footprint(method)),
    }


def count_parameters(method: type[Method[Any]], dimensions: int) -> int | None:
    """Trainable parameters with one channel, two classes and the published networks; None where the method has no such form."""
    import torch

    from semiseg.methods import Task
    from semiseg.networks import UNet, VNet

    network = VNet(3, 1, 2) if dimensions == 3 else UNet(2, 1, 2)
    try:
        with torch.device("meta"):  # shapes without memory
            built = method(Task((EXAMPLE_PATCH,) * dimensions, network), method.Settings())
    except SettingsError:
        return None
    return sum(parameter.numel() for parameter in built.parameters() if parameter.requires_grad)


def networks(facts: dict[str, Any]) -> str:
    """What learns by gradients: `1 + 2` for one encoder and two decoders."""
    return f"{facts['encoders']} + {facts['decoders']}"


def passes(facts: dict[str, Any]) -> str:
    """How often a step runs encoders and decoders over its images."""
    return f"{facts['passes']:g} + {facts['decoder_passes']:g}"


def in_words(parameters: dict[str, int | None]) -> str:
    """12,345,678 as 12.3 M."""
    return " / ".join("-" if count is None else f"{count / 1e6:.1f} M" for count in parameters.values())


def shown(value: Any) -> str:
    """A default as people write it: 0.6667 for two thirds."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def setting_facts(name: str, field: FieldInfo) -> dict[str, Any]:
    """One setting: default, allowed values and meaning, from the settings model itself."""
    return {"name": name, "default": field.default, "allowed": allowed(field), "description": field.description or ""}


def allowed(field: FieldInfo) -> str:
    """The choices, or the type and its bounds."""
    if get_origin(field.annotation) is Literal:
        return " | ".join(map(str, get_args(field.annotation)))
    kind = getattr(field.annotation, "__name__", None) or str(field.annotation)
    bounds = [f"{sign} {getattr(rule, word):g}" for rule in field.metadata for word, sign in COMPARISONS.items() if hasattr(rule, word)]
    return " ".join([kind, ", ".join(bounds)]).strip()
