"""One run as one value: read from YAML and the command line, checked, and written back resolved into the run folder."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError, model_validator

from semiseg.data.augment import Augmentation
from semiseg.data.labels import ClassNumber
from semiseg.data.preparation import Preparation
from semiseg.errors import SettingsError, did_you_mean
from semiseg.methods import Method, MethodSettings, Task, find_method
from semiseg.networks import NETWORKS, Description


class Section(BaseModel):
    """Base of the run file's sections: unknown names are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(Section):
    """Which scans, and which of them are labelled."""

    folder: Path | None = Field(None, description="the data folder; none for arrays in memory")
    labeled: int | None = Field(None, ge=1, description="labelled scans (patients) to use; other labels are never opened. Default: all")
    draw: int = Field(0, ge=0, description="which draw of labelled scans: 0 is the first N, others are random")
    fold: str | None = Field(
        None, pattern=r"^[1-9]\d*/[1-9]\d*$", description="K/N: part K of N is for testing and the rest for training, whole patients"
    )
    classes: tuple[str, ...] = Field((), description="names of the foreground classes, in the order of their values from 1; found if empty")
    channels: int | None = Field(None, ge=1, description="modalities of a scan; found if not given")
    label_map: dict[int, ClassNumber] = Field(
        default_factory=dict, description="value in the label files -> class, {255: 1, 3: 0, 9: ignore}; other values stay"
    )


class Network(Section):
    """The network that a method assembles its parts from."""

    kind: Literal["vnet", "unet", "instance-unet"] | None = Field(
        None, description="default: vnet in 3D, unet in 2D; instance-unet: the U-Net with instance normalization published on BraTS"
    )
    width: int = Field(16, ge=4, description="channels of the first level; published 16")
    dropout: float | None = Field(
        None,
        ge=0,
        lt=1,
        description="chance to be dropped in training: of a channel of the vnet (published 0.5) or an element of the instance-unet (0.3), "
        "at the bottleneck and before the head, 0 if not given; of an element at the unet's deepest level, 0.5 as published if not given",
    )


class Training(Section):
    """Steps, batches and the optimiser."""

    steps: int = Field(2000, ge=1, description="steps of all stages together")
    patch: tuple[int, ...] = Field((), description="voxels of a patch; chosen from the scans if empty")
    labeled_batch: int = Field(4, ge=1, description="labelled patches a step")
    unlabeled_batch: int = Field(4, ge=0, description="unlabelled patches a step")
    optimizer: Literal["adamw", "sgd"] = Field("adamw", description="published: sgd (momentum 0.9)")
    learning_rate: float = Field(1e-3, gt=0, description="published: 0.01 with sgd")
    weight_decay: float = Field(1e-4, ge=0, description="published: 1e-4")
    schedule: Literal["polynomial", "staircase", "constant"] = Field(
        "polynomial", description="of the learning rate; published: LA staircase, ACDC constant"
    )
    warmup: int = Field(0, ge=0, description="first steps of the run in which the learning rate grows from 0; published: none")
    schedule_restarts: bool = Field(False, description="each stage counts its schedule from its own first step (published: yes)")
    class_prior: bool = Field(
        True, description="the networks' last biases begin at the classes' shares of the labelled voxels, not near 0 (published: no)"
    )
    precision: Literal["auto", "32-true", "bf16-mixed"] = Field("auto", description="auto: bf16 where the device computes in it")


class Inference(Section):
    """How a whole scan is predicted."""

    stride: tuple[int, ...] = Field((), description="voxels between windows; half a patch if empty (published: LA 18, 18, 4)")
    batch: int = Field(4, ge=1, description="windows at a time")
    flips: bool = Field(False, description="also predict each patch mirrored along its axes, and average: 4 times the work in 2D, 8 in 3D")
    memory: float = Field(
        1.0, gt=0, description="GiB for the probabilities that are summed up at a time; a scan that needs more is predicted in columns"
    )
    largest_component: bool = Field(False, description="keep each class's largest component of the result (published: LA yes, ACDC no)")


class Selection(Section):
    """Whether the best of several looks is kept beside the last step's weights (see docs/design.md, Protocols)."""

    validation_cases: int = Field(
        0, ge=0, description="sealed: labelled scans (patients) taken out of the budget to choose by; 0: there is only the last step"
    )
    every: int = Field(200, ge=0, description="steps of a stage between two looks (published: 200); 0: no look, the last step is all")
    first: int = Field(0, ge=0, description="no look before this step of a stage, but for its last (published: MC-Net 800, SS-Net 2,000)")
    next_stage_from_best: bool = Field(
        False, description="a stage starts from the best weights of the one before, as in the released CML and BCP, not from its last"
    )


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
    if item["type"] != "extra_forbidden":
        return f"{place}: {item['msg'].removeprefix('Value error, ')} (given: {item['input']!r})"
    *inner, name = item["loc"]
    for part in inner:
        model = model.model_fields[str(part)].annotation  # type: ignore[assignment]
    return f"{place}: unknown setting{did_you_mean(str(name), model.model_fields)}. Known here: {', '.join(model.model_fields)}."
