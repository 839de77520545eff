"""What a person says of a data set beside its files: `dataset.yaml`, or the head of a manifest."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from semiseg.case import Case, Geometry
from semiseg.data.dataset import Dataset, kept_apart
from semiseg.data.faults import Refuse, stop
from semiseg.data.formats import read_header
from semiseg.data.prepare import Preparation
from semiseg.errors import DataError


class Description(BaseModel):
    """All optional.

    Attributes:
        name: of the data set; by default that of the folder.
        classes: names of the foreground classes 1, 2, ...
        groups: case id to group (patient), for patients with several scans.
        label_map: value in the label files to class number.
        preparation: what is done to a scan before training, where that is no choice of the run.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str | None = None
    classes: tuple[str, ...] | None = Field(default=None, min_length=1)
    groups: dict[str, str] = {}
    label_map: dict[int, int] = {}
    preparation: Preparation = Preparation()

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
        return plain.relabeled(self.label_map).with_classes(self.classes)


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
