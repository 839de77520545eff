"""What a person says of a data set beside its files: `dataset.yaml`, or the head of a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from semiseg.case import IGNORE, Case, Geometry, LabeledPart
from semiseg.data.dataset import Dataset, kept_apart
from semiseg.data.faults import Refuse, stop
from semiseg.data.formats import read_header
from semiseg.data.labels import ClassNumber
from semiseg.data.preparation import Preparation
from semiseg.errors import DataError


class Description(BaseModel):
    """All optional.

    Attributes:
        name: of the data set; by default that of the folder.
        classes: names of the foreground classes 1, 2, ...
        groups: case id to group (patient), for patients with several scans.
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

    def dataset(
        self,
        name: str,
        train: Sequence[Case],
        validation: Sequence[Case] = (),
        test: Sequence[Case] = (),
        refuse: Refuse = stop,
    ) -> Dataset:
        """The data set of these cases: named and renumbered as described, its dimensions those of the first scan that can be read.

        Raises:
            DataError: no scan can be read.
        """
        parts = kept_apart(self.name or name, {"train": train, "validation": validation, "test": test}, refuse)
        cases = [case for part in parts.values() for case in part]
        if not cases:
            raise DataError(f"{self.name or name}: no case is left.")
        first, shape, geometry = first_readable(cases)
        plain = Dataset(
            self.name or name,
            None,
            parts["train"],
            parts["validation"],
            parts["test"],
            dimensions=len(shape),
            spacing_known=geometry.known or first.spacing is not None,
            preparation=self.preparation,
        )
        return plain.relabeled(self.values).with_classes(self.classes)


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
