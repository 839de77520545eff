"""One run as one value: read from YAML and the command line, checked, and written back resolved into the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, SerializeAsAny, ValidationError, model_validator

from semiseg.data.augment import Augmentation
from semiseg.data.preparation import Preparation
from semiseg.errors import SettingsError, did_you_mean
from semiseg.methods import Method, MethodSettings, Task, find_method
from semiseg.networks import NETWORKS, Description
from semiseg.sections import Data, Inference, Network, Section, Selection, Training


class Run(Section):
    """Everything that a training needs, as one value, saved beside its results."""

    method: str = Field("cml", description="a name of METHODS, or `module:Class` of one's own")
    settings: SerializeAsAny[MethodSettings] = Field(default_factory=MethodSettings, description="the method's own settings")
    seed: int = Field(1337, ge=0, description="of the network, the sampling, the augmentation and the dropout")
    protocol: Literal["sealed", "paper"] = Field(
        "sealed", description="sealed: test scans stay closed until the end; paper: the best of many looks, as published, at test scans too"
    )
    data: Data = Data()
    preparation: Preparation = Preparation()
    network: Network = Network()
    training: Training = Training()
    augmentation: Augmentation = Augmentation()
    inference: Inference = Inference()
    selection: Selection = Selection()

    @model_validator(mode="after")
    def selection_suits_the_protocol(self) -> Run:
        """Refuse what would be ignored in silence."""
        choice, looks = self.selection, bool(self.selection.every)
        if self.protocol == "paper" and choice.validation_cases:
            raise ValueError("selection.validation_cases is for protocol sealed; paper looks at the published validation or test scans")
        if self.protocol == "sealed" and choice.validation_cases and not looks:
            raise ValueError("selection.validation_cases has no use with selection.every 0, which means no look")
        if choice.next_stage_from_best and not (looks and (self.protocol == "paper" or choice.validation_cases)):
            raise ValueError("selection.next_stage_from_best needs looks: protocol paper or selection.validation_cases, and every > 0")
        return self

    @model_validator(mode="before")
    @classmethod
    def settings_are_the_methods(cls, values: Any) -> Any:
        """Read `settings` with the model of the method that is named, defaults where there are none."""
        if not isinstance(values, dict):
            return values
        method = find_method(str(values.get("method", "cml")))
        if isinstance(values.get("settings"), method.Settings):
            return values
        return {**values, "settings": method.Settings.model_validate(values.get("settings") or {})}

    @property
    def wants_unlabeled(self) -> bool:
        """Whether the method, as it is set, has something to learn from unlabelled scans."""
        return find_method(self.method).uses_unlabeled and self.settings.wants_unlabeled

    @property
    def uses_unlabeled(self) -> bool:
        """Whether it learns from unlabelled scans: it wants them, and steps have some."""
        return self.wants_unlabeled and self.training.unlabeled_batch > 0

    def description(self) -> Description:
        """The network's description. Needs a resolved run (channels, classes, patch)."""
        channels, dimensions, classes = self.data.channels, len(self.training.patch), len(self.data.classes) + 1
        if channels is None or not dimensions or classes < 2:
            raise SettingsError("This run is not resolved: data.channels, data.classes or training.patch is missing.")
        kind = self.network.kind or ("vnet" if dimensions == 3 else "unet")
        usual = 0.5 if kind == "unet" else 0.0
        dropout = usual if self.network.dropout is None else self.network.dropout
        return NETWORKS[kind](dimensions, channels, classes, self.network.width, dropout)

    def build(self) -> Method[Any]:
        """The method with all of its networks, freshly initialised from torch's random state."""
        return find_method(self.method)(Task(self.training.patch, self.description()), self.settings)

    def to_yaml(self) -> str:
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the values of `over`, sections merged key by key."""
    result = dict(base)
    for key, value in over.items():
        old = result.get(key)
        result[key] = merged(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return result


def flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    """Nested settings as (dotted name, value)."""
    return [
        pair
        for key, value in values.items()
        for pair in (flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else [(f"{prefix}{key}", value)])
    ]


def read_layers(source: str | Path | None) -> dict[str, Any]:
    """A run file as nested values: a path, or the name of a published one that comes with the package (`la`, `acdc`).

    Raises:
        SettingsError: no such file, or not YAML.
    """
    if source is None:
        return {}
    packaged = resources.files("semiseg").joinpath("configs", f"{source}.yaml")
    if not Path(source).is_file() and not packaged.is_file():
        names = [
            entry.name.removesuffix(".yaml")
            for entry in resources.files("semiseg").joinpath("configs").iterdir()
            if entry.name.endswith(".yaml")
        ]
        raise SettingsError(f"{source}: no such run file{did_you_mean(str(source), names)}. Published ones: {', '.join(sorted(names))}.")
    try:
        values = (
            yaml.safe_load(Path(source).read_text(encoding="utf-8") if Path(source).is_file() else packaged.read_text(encoding="utf-8"))
            or {}
        )
    except yaml.YAMLError as error:
        raise SettingsError(f"{source}: not readable as YAML: {error}") from error
    if not isinstance(values, dict):
        raise SettingsError(f"{source}: expected sections such as 'method: cml', found {type(values).__name__}.")
    return values


def make_run(*layers: Mapping[str, Any]) -> Run:
    """One run out of layers of values, later ones winning. A layer's `methods: {NAME: {...}}` holds what differs for one method.

    Raises:
        SettingsError: an unknown name (with the nearest known one) or a value out of range; all of them in one message.
    """
    return validated(combined(*layers))


def combined(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The values of all layers as one, of the method that they name: what `make_run` reads."""
    method = next((layer["method"] for layer in reversed(layers) if "method" in layer), "cml")
    values: dict[str, Any] = {}
    for layer in layers:
        general = {key: value for key, value in layer.items() if key != "methods"}
        values = merged(merged(values, general), layer.get("methods", {}).get(method, {}))
    return {**values, "method": method}


def validated(values: Mapping[str, Any]) -> Run:
    """`Run` from nested values, with one error for all that is wrong."""
    values, problems = dict(values), []
    method = find_method(str(values["method"]))
    try:
        values["settings"] = method.Settings.model_validate(values.get("settings") or {})
    except ValidationError as error:
        problems += [explain(item, method.Settings, ("settings",)) for item in error.errors()]
        del values["settings"]
    try:
        run = Run.model_validate(values)
    except ValidationError as error:
        problems += [explain(item, Run) for item in error.errors()]
    if problems:
        raise SettingsError("\n".join(problems))
    return run


def explain(item: Any, model: type[BaseModel], section: tuple[str, ...] = ()) -> str:
    """One validation error as a sentence that names the setting, the value and the way out."""
    place = ".".join(str(part) for part in (*section, *item["loc"]))
    if not place:  # of the run as a whole
        return str(item["msg"]).removeprefix("Value error, ")
    *inner, name = item["loc"]
    if item["type"] not in ("extra_forbidden", "string_pattern_mismatch"):
        return f"{place}: {item['msg'].removeprefix('Value error, ')} (given: {item['input']!r})"
    for part in inner:
        model = model.model_fields[str(part)].annotation  # type: ignore[assignment]
    if item["type"] == "string_pattern_mismatch":
        return f"{place}: expected {model.model_fields[str(name)].description} (given: {item['input']!r})"
    return f"{place}: unknown setting{did_you_mean(str(name), model.model_fields)}. Known here: {', '.join(model.model_fields)}."
