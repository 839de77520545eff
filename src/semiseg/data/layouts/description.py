"""What is said of a data set beside its scans: by a person in `dataset.yaml` or the head of a manifest, and by each layout itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from semiseg.case import IGNORE, Case, Geometry, LabeledPart
from semiseg.data.dataset import Dataset, kept_apart
from semiseg.data.faults import LayoutError, Refuse, stop
from semiseg.data.formats import case_name, read_header
from semiseg.data.labels import ClassNumber, written_class
from semiseg.data.layouts.scans import NUMBERED
from semiseg.data.preparation import Preparation
from semiseg.errors import DataError

NAME = "dataset.yaml"
Parts = Mapping[str, Sequence[Case]]
"""Cases by what they are for: train, validation, test."""


class Description(BaseModel):
    """All optional.

    Attributes:
        name: of the data set; by default that of the folder.
        classes: names of the foreground classes 1, 2, ...
        groups: case id to group (patient), for patients with several scans. Not in the head of a manifest, which has a column for it.
        label_map: value in the label files to class number, or to `ignore`.
        ignore: value, or values, in the label files of voxels that nobody labelled.
        slice_axis: along which the slices of `labeled_slices` are counted; by default that of `preparation`, or else the last.
        preparation: what is done to a scan before training, where that is no choice of the run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str | None = None
    classes: tuple[str, ...] | None = Field(default=None, min_length=1)
    groups: dict[str, str] = {}
    label_map: dict[int, ClassNumber] = {}
    ignore: Annotated[tuple[int, ...], BeforeValidator(lambda value: (value,) if isinstance(value, int) else value)] = ()
    slice_axis: int | None = Field(default=None, ge=0, le=2)
    preparation: Preparation = Preparation()

    @property
    def values(self) -> dict[int, int]:
        """`label_map` and `ignore` as one."""
        return {**self.label_map, **dict.fromkeys(self.ignore, IGNORE)}

    def labeled_part(self, slices: Sequence[int], classes: Sequence[str]) -> LabeledPart:
        """What of a label counts, given the numbers of its labelled slices and the names or numbers of its labelled classes; all if empty.

        Raises:
            DataError: a name that is no class.
        """
        axis = self.slice_axis if self.slice_axis is not None else self.preparation.slice_axis
        numbers = {number for name in classes for number in [self.class_number(name)]}
        values = [value for value, number in self.values.items() if number in numbers]
        values += [number for number in numbers if number not in self.values]
        return LabeledPart(tuple(slices) or None, -1 if axis is None or not slices else axis, tuple(sorted(values)) or None)

    def class_number(self, name: str) -> int:
        """The number of a class by its name, or written as a number; `background` is 0.

        Raises:
            DataError: there is no such class.
        """
        names = ("background", *(self.classes or ()))
        if name in names:
            return names.index(name)
        if name.isdigit() and (self.classes is None or int(name) < len(names)):
            return int(name)
        raise DataError(f"labeled_classes: {name!r} is no class. There are: {', '.join(names)}, or their numbers.")

    def filled(self, given: Description, file: Path) -> Description:
        """The head of the manifest `file`, and what it leaves open as `dataset.yaml` beside it says.

        Raises:
            DataError: both say something, and not the same.
        """
        said = {key: (getattr(self, key), getattr(given, key)) for key in ("name", "classes", "slice_axis")}
        both = {key: pair for key, pair in said.items() if None not in pair}
        for value in self.values.keys() & given.values.keys():
            both[f"label_map of {value}"] = (written_class(self.values[value]), written_class(given.values[value]))
        for key in self.preparation.model_fields_set & given.preparation.model_fields_set:
            both[f"preparation.{key}"] = (getattr(self.preparation, key), getattr(given.preparation, key))
        for key, (here, there) in sorted(both.items()):
            if here != there:
                raise DataError(f"{file}: {key} is {here}, and {there} in {file.parent / NAME}. Correct one of them, or take it out.")
        return Description(
            **{key: there if here is None else here for key, (here, there) in said.items()},
            label_map=given.values | self.values,
            preparation=_prepared(self.preparation, given.preparation, file),
        )

    def dataset(self, folder: Path, parts: Parts, given: Description, refuse: Refuse = stop, unread: Sequence[Path] = ()) -> Dataset:
        """The data set of these cases, with the dimensions of the first scan that can be read.

        Args:
            folder: that it lies in, which names it where nobody else does.
            parts: its cases; a part may be missing.
            given: `dataset.yaml`, which is heard after what the folder says of itself.
            refuse: see `open_folder`.
            unread: what lies among the scans and is none.

        Raises:
            DataError: no scan can be read, or `given` says what cannot be.
        """
        path, name = folder / NAME, given.name or self.name or folder.resolve().name
        parts = {part: parts.get(part, ()) for part in ("train", "validation", "test")}
        kept = kept_apart(name, _grouped(parts, given.groups, path, refuse), refuse)
        cases = [case for part in kept.values() for case in part]
        if not cases:
            raise DataError(f"{name}: no case is left.")
        if given.slice_axis is not None and not any(case.labeled_part.slices for case in cases):
            message = f"{path}: slice_axis says how the labeled_slices of a manifest are counted, and no scan has any. Take it out"
            refuse(LayoutError("description", f"{message}; a 2D model on 3D scans needs preparation: {{slice_axis: {given.slice_axis}}}."))
        first, shape, geometry = first_readable(cases)
        found = Dataset(
            name,
            None,
            kept["train"],
            kept["validation"],
            kept["test"],
            dimensions=len(shape),
            spacing_known=geometry.known or first.spacing is not None,
            preparation=_prepared(self.preparation, given.preparation, path),
            unread=tuple(unread),
        )
        return found.relabeled(self.values).with_classes(self.classes).relabeled(given.values).with_classes(given.classes)


def _grouped(parts: Parts, groups: Mapping[str, str], path: Path, refuse: Refuse) -> Parts:
    """The cases in the groups that `path` says; it may name a scan that lies in its folder and is on no list."""
    strangers = groups.keys() - {case.id for cases in parts.values() for case in cases}
    below = {case_name(file) for file in path.parent.rglob("*")} if strangers else set()
    below |= {match[1] for name in below if (match := NUMBERED.fullmatch(name))}
    for name in groups:
        if name in strangers - below:
            refuse(LayoutError("unknown name", f"{path}: groups name '{name}', and no scan is called so. Correct the name."))
    return {part: [replace(case, group=groups.get(case.id, case.group)) for case in cases] for part, cases in parts.items()}


def _prepared(own: Preparation, given: Preparation, path: Path) -> Preparation:
    """What the folder itself asks for, but for what is said in `path`."""
    known = own.model_dump(exclude_unset=True)
    try:
        return Preparation.model_validate(known | given.model_dump(exclude_unset=True))
    except ValidationError as error:
        message = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise DataError(f"{path}: preparation: {message} The scans of this folder come with {known}.") from error


def first_readable(cases: Sequence[Case]) -> tuple[Case, tuple[int, ...], Geometry]:
    """The first case whose scan has a header, its shape and its geometry.

    Raises:
        DataError: there is none; the error of the first.
    """
    errors: list[DataError] = []
    for case in cases:
        try:
            return case, *read_header(case.images[0])
        except DataError as error:
            errors.append(error)
    raise errors[0]


def read_description(path: Path) -> Description:
    """The description in a YAML file; an empty one where there is no file.

    Raises:
        DataError: not YAML, or an unknown key.
    """
    return parse_description(read_yaml(path), path) if path.is_file() else Description()


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        DataError: it is none.
    """
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8-sig"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: is not YAML ({error}).") from error


def parse_description(values: Any, path: Path) -> Description:
    """Checked values of a description.

    Raises:
        DataError: an unknown key, or a value of the wrong kind.
    """
    try:
        return Description.model_validate(values or {})
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}. Known keys: {', '.join(Description.model_fields)}."
        ) from error
