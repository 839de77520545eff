"""A grid file as values: which methods learn from which data, with how many labels, seeds, draws, folds and variants."""

from __future__ import annotations

from importlib import resources
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import Field, ValidationError, model_validator

from semiseg.benchmark.training import Training
from semiseg.config import explain
from semiseg.errors import SettingsError, did_you_mean
from semiseg.sections import Section

PLAIN = ""
"""The variant of a method as its settings are."""
Settings = dict[str, Any]
"""Nested settings of a run; `methods: {NAME: {...}}` in them holds for one method."""


class Source(Section):
    """One data set of a grid. In the file a folder's name alone will do."""

    folder: Path | None = Field(None, description="the data folder, from where the grid file is; or given on the command line")
    config: str | None = Field(None, description="run file, or a published one by its name; else that of the grid")
    labeled: tuple[Annotated[int, Field(ge=1)], ...] | None = Field(None, description="label budgets; else those of the grid")
    settings: Settings = Field(default_factory=dict, description="of all runs on this data set")

    @model_validator(mode="before")
    @classmethod
    def folder_alone(cls, value: Any) -> Any:
        return {"folder": value} if value is None or isinstance(value, str) else value


class Grid(Section):
    """One document of a grid file."""

    name: str = Field("benchmark", description="names the results")
    about: str = Field("", description="one line for people")
    protocol: Literal["sealed", "paper"] = "sealed"
    data: dict[str, Source] = Field(min_length=1, description="name -> folder, or more (see Source)")
    config: str | None = None
    methods: tuple[str, ...] = Field((), description="as they are")
    variants: dict[str, dict[str, Settings]] = Field(default_factory=dict, description="method -> name -> settings")
    labeled: tuple[Annotated[int, Field(ge=1)], ...] = Field((), description="label budgets; empty: all labels")
    seeds: tuple[Annotated[int, Field(ge=0)], ...] = (1337,)
    draws: tuple[Annotated[int, Field(ge=0)], ...] = (0,)
    folds: int = Field(0, ge=0, description="cross-validation in so many parts; 0: the data set's own division")
    settings: Settings = Field(default_factory=dict, description="of all runs")

    def variants_of(self) -> list[tuple[str, str, Settings]]:
        """(method, variant, settings) in the order of the file: each method as it is, then its variants."""
        names = list(dict.fromkeys((*self.methods, *self.variants)))
        plain: dict[str, dict[str, Settings]] = {name: {PLAIN: {}} for name in self.methods}
        return [(name, key, own) for name in names for key, own in {**plain.get(name, {}), **self.variants.get(name, {})}.items()]

    def trainings(self) -> list[Training]:
        """All of them, whole seeds first, so that a grid that is cut can be compared."""
        folds: list[str | None] = [f"{k}/{self.folds}" for k in range(1, self.folds + 1)]
        return [
            self._training(name, method, variant, own, labeled, seed, draw, fold)
            for seed, draw, fold, name in product(self.seeds, self.draws, folds or [None], self.data)
            for labeled in self.data[name].labeled or self.labeled or (None,)
            for method, variant, own in self.variants_of()
        ]

    def _training(
        self, name: str, method: str, variant: str, own: Settings, labeled: int | None, seed: int, draw: int, fold: str | None
    ) -> Training:
        source = self.data[name]
        place = {"labeled": labeled, "draw": draw, "fold": fold}
        layers = [{"protocol": self.protocol}, self.settings, source.settings, own]
        last = {"method": method, "seed": seed, "data": {key: value for key, value in place.items() if value is not None}}
        return Training(name, source.folder, source.config or self.config, method, variant, labeled, seed, draw, fold, (*layers, last))


def read_grids(source: str | Path, folders: dict[str | None, Path] | None = None) -> list[Grid]:
    """The grids of a file, one a YAML document, in the order in which they are to be run.

    Args:
        source: a path, or the name of one that comes with the package (see `shipped`).
        folders: where data sets are, by name, instead of what the file says; None for the only one.

    Raises:
        SettingsError: no such file, or not a grid; everything that is wrong at once.
    """
    own = Path(source)
    text = own.read_text(encoding="utf-8") if own.is_file() else _shipped_text(str(source))
    try:
        documents = [document for document in yaml.safe_load_all(text) if document is not None]
    except yaml.YAMLError as error:
        raise SettingsError(f"{source}: not readable as YAML: {error}") from error
    if not documents or not all(isinstance(document, dict) for document in documents):
        raise SettingsError(f"{source}: expected a grid such as 'methods: [supervised, cml]' with 'data' and 'labeled'.")
    grids, problems = [], []
    for document in documents:
        try:
            grids.append(Grid.model_validate(document))
        except ValidationError as error:
            problems += [explain_in_grid(item) for item in error.errors()]
    if problems:
        raise SettingsError("\n".join([f"{source}: {len(problems)} of its settings cannot be used.", *problems]))
    return with_folders(grids, folders or {}, own.parent)


def explain_in_grid(item: Any) -> str:
    """One validation error as a sentence; inside a data set, of its own settings."""
    place = item["loc"]
    if len(place) > 2 and place[0] == "data":
        return explain({**item, "loc": place[2:]}, Source, place[:2])
    return explain(item, Grid)


def with_folders(grids: list[Grid], folders: dict[str | None, Path], base: Path) -> list[Grid]:
    """The grids with the folders of the command line; those of the file are seen from where it lies.

    Raises:
        SettingsError: a name that no grid has, or no name where there are several data sets.
    """
    names = list(dict.fromkeys(name for grid in grids for name in grid.data))
    if None in folders and len(names) > 1:
        raise SettingsError(f"--data {folders[None]}: for which data set? Write --data NAME=FOLDER; there are {', '.join(names)}.")
    given = {name or names[0]: folder for name, folder in folders.items()}
    unknown = [name for name in given if name not in names]
    if unknown:
        raise SettingsError(f"--data {unknown[0]}=...: the grid has no such data set{did_you_mean(unknown[0], names)}: {', '.join(names)}.")

    def placed(name: str, source: Source) -> Source:
        folder = given.get(name) or (source.folder and base / source.folder)
        return source.model_copy(update={"folder": folder})

    return [grid.model_copy(update={"data": {name: placed(name, source) for name, source in grid.data.items()}}) for grid in grids]


def unrolled(grids: list[Grid]) -> list[Training]:
    """The trainings of several grids, one after another; what an earlier one has is not repeated.

    Raises:
        SettingsError: there is none, or two of them would share a folder and differ in their settings.
    """
    found: dict[str, Training] = {}
    for training in (training for grid in grids for training in grid.trainings()):
        known = found.setdefault(training.name, training)
        if known is not training and known.values() != training.values():
            raise SettingsError(f"{training.name}: two documents of the grid give it different settings. Name one of them as a variant.")
    if not found:
        raise SettingsError(f"{grids[0].name}: the grid holds no training. Name methods or variants, and at least one seed and draw.")
    return list(found.values())


def shipped() -> dict[str, str]:
    """Grids that come with the package: name -> what it is about."""
    return {
        entry.name.removesuffix(".yaml"): str(next(yaml.safe_load_all(entry.read_text(encoding="utf-8"))).get("about", ""))
        for entry in sorted(resources.files("semiseg").joinpath("grids").iterdir(), key=lambda entry: entry.name)
        if entry.name.endswith(".yaml")
    }


def _shipped_text(name: str) -> str:
    packaged = resources.files("semiseg").joinpath("grids", f"{name}.yaml")
    if not packaged.is_file():
        raise SettingsError(f"{name}: no such grid file{did_you_mean(name, shipped())}. With the package come: {', '.join(shipped())}.")
    return packaged.read_text(encoding="utf-8")
