"""The manifest: a table of cases that a person can edit, as CSV or YAML, which says everything that a data set is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, field_validator

from semiseg.case import Case, Channel, Source, file_of
from semiseg.data.dataset import Dataset
from semiseg.data.faults import Refuse, stop
from semiseg.data.formats import case_name, label_source
from semiseg.data.labels import written_class
from semiseg.data.layouts.description import NAME, Description, parse_description, read_yaml
from semiseg.data.layouts.ranges import parse_range, written_ranges
from semiseg.data.layouts.table import read_table, write_table
from semiseg.errors import DataError

TITLE = "manifest"
LOOKED_FOR = "manifest.csv or manifest.yaml"
NAMES = ("manifest.csv", "manifest.yaml")
YAML = (".yaml", ".yml")
SUFFIXES = (".csv", *YAML)
CHANNEL = re.compile(r"(.+)\[(\d+)\]")
"""One modality of a file that holds several along its fourth axis: `scan.nii.gz[0]`."""
SEPARATOR = ";"
"""Between the modalities of a case, the millimetres of a spacing, its labelled slices and classes, in one cell of a CSV."""
SPLITS = {"train": "train", "validation": "val", "test": "test"}
"""What a part of a data set is called in the column `split`."""
OPTIONAL = ("spacing", "labeled_slices", "labeled_classes")
"""Columns that are written only where a case has something in them."""


class Row(BaseModel):
    """One case as it stands in a manifest; paths are relative to the manifest's folder, or absolute."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)
    id: str = ""
    image: tuple[str, ...]
    label: str = ""
    group: str = ""
    split: str = "train"
    spacing: tuple[float, ...] = ()
    labeled_slices: tuple[int, ...] = ()
    labeled_classes: tuple[str, ...] = ()

    @field_validator("image", "spacing", "labeled_classes", mode="before")
    @classmethod
    def cell(cls, value: Any) -> Any:
        """Several values in one cell."""
        return [part.strip() for part in value.split(SEPARATOR) if part.strip()] if isinstance(value, str) else value

    @field_validator("labeled_slices", mode="before")
    @classmethod
    def ranges(cls, value: Any) -> Any:
        """Numbers and ranges, both ends included: `3-8;12`, or a list of such."""
        parts = value.split(SEPARATOR) if isinstance(value, str) else value if isinstance(value, list | tuple) else [value]
        return [number for part in parts if str(part).strip() for number in parse_range(str(part).strip())]

    @field_validator("image")
    @classmethod
    def some(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """A case without an image is none."""
        if not value:
            raise ValueError("names no file")
        return value

    @field_validator("split")
    @classmethod
    def known(cls, value: str) -> str:
        """`train`, also where it is empty, `val` or `test`."""
        split = {"": "train", "validation": "val"}.get(value.lower(), value.lower())
        if split not in SPLITS.values():
            raise ValueError(f"{value!r} is none of {', '.join(SPLITS.values())}")
        return split

    def case(self, folder: Path, described: Description) -> Case:
        """The case, its paths found from `folder`, its labelled classes as described.

        Raises:
            DataError: a labelled class that is none.
        """
        name = self.id or case_name(Path(CHANNEL.sub(r"\1", self.image[0])))
        images = tuple(_source(folder, text) for text in self.image)
        label = label_source(folder / self.label, images[0]) if self.label else None
        part = described.labeled_part(self.labeled_slices, self.labeled_classes)
        return Case(name, images, label, self.group, self.spacing or None, labeled_part=part)


def matches(path: Path) -> bool:
    """Whether `path` is a manifest, or a folder that holds one."""
    return _file(path) is not None


def load(path: Path, given: Description, refuse: Refuse = stop) -> Dataset:
    """The data set that a manifest describes. A case without a label is unlabelled; one without a split is for training.

    `dataset.yaml` beside it may say what the manifest leaves open, and nothing else than the manifest does.

    Raises:
        DataError: a column or a value that is not known, with its line; no case; `dataset.yaml` says otherwise.
    """
    file = _file(path)
    assert file is not None
    head, rows = (_read_yaml if file.suffix.lower() in YAML else _read_csv)(file)
    if not rows:
        raise DataError(f"{file}: names no case.")
    if head.groups:
        raise DataError(f"{file}: groups: a manifest says them case by case. Move them to the column 'group'.")
    described = head.filled(given, file)
    cases = [(row.split, _case(row, file, described)) for row in rows]
    for _, case in cases:
        if case.group and given.groups.get(case.id, case.group) != case.group:
            groups = f"'{case.group}', and {file.parent / NAME} that it is of '{given.groups[case.id]}'"
            raise DataError(f"{file}: says that {case.id} is of the group {groups}. Correct one of them, or take it out.")
    parts = {part: [case for split, case in cases if split == name] for part, name in SPLITS.items()}
    return described.dataset(file.parent, parts, Description(groups=given.groups, slice_axis=given.slice_axis), refuse)


def write(dataset: Dataset, path: Path) -> None:
    """Write a manifest that `load` makes the same data set of. Paths below its folder are relative.

    Raises:
        DataError: it exists, its name is not that of a CSV or YAML file, or the data set holds arrays in memory.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: a manifest is a table; expected a name that ends with {', '.join(SUFFIXES)}.")
    if path.exists():
        raise DataError(f"{path}: exists already, and may have been edited. Choose another name, or remove it.")
    parts = dataset.parts
    rows = [_row(case, SPLITS[part], path) for part, cases in parts.items() for case in cases]
    label_map = next((dict(case.label_map) for cases in parts.values() for case in cases), {})
    axis = next((part.axis for cases in parts.values() for case in cases if (part := case.labeled_part).axis >= 0), None)
    described = Description(name=dataset.name, classes=dataset.named, label_map=label_map, slice_axis=axis, preparation=dataset.preparation)
    written = {value: written_class(number) for value, number in label_map.items()}
    head = described.model_dump(mode="json", exclude_defaults=True) | ({"label_map": written} if written else {})
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(_as_yaml(head, rows) if path.suffix.lower() in YAML else _as_csv(head, rows), encoding="utf-8")


def _file(path: Path) -> Path | None:
    if path.is_file():
        return path if path.suffix.lower() in SUFFIXES else None
    return next((path / name for name in NAMES if (path / name).is_file()), None)


def _read_yaml(file: Path) -> tuple[Description, list[Row]]:
    content = read_yaml(file)
    if not isinstance(content, dict) or not isinstance(content.get("cases"), list):
        raise DataError(f"{file}: has no list of 'cases'.")
    rows = [_checked(values, f"{file}: case {k}") for k, values in enumerate(content.pop("cases"), start=1)]
    return parse_description(content, file), rows


def _read_csv(file: Path) -> tuple[Description, list[Row]]:
    table = read_table(file, list(Row.model_fields), needed="image")
    rows = [_checked(cells, f"{file}: line {number}") for number, cells in table.lines]
    return parse_description(_from_comments(table.comments, file), file), rows


def _from_comments(comments: Sequence[str], file: Path) -> Any:
    try:
        content = yaml.safe_load("\n".join(comments))
    except yaml.YAMLError as error:
        raise DataError(f"{file}: lines that begin with # describe the data set as dataset.yaml does ({error}).") from error
    if content is not None and not isinstance(content, dict):
        raise DataError(f"{file}: lines that begin with # describe the data set as dataset.yaml does; found {content!r}.")
    return content


def _checked(values: Any, place: str) -> Row:
    try:
        return Row.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][:1])
        raise DataError(f"{place}: {field}: {first['msg'].removeprefix('Value error, ')}.") from error


def _case(row: Row, file: Path, described: Description) -> Case:
    try:
        return row.case(file.parent, described)
    except DataError as error:
        raise DataError(f"{file}: {row.id or row.image[0]}: {error}") from error


def _row(case: Case, split: str, manifest: Path) -> Row:
    images = tuple(_written(source, manifest) for source in case.images)
    label = "" if case.label is None else _written(case.label, manifest)
    values = case.labeled_part.values or ()
    return Row(
        id=case.id,
        image=images,
        label=label,
        group=case.group,
        split=split,
        spacing=case.spacing or (),
        labeled_slices=case.labeled_part.slices or (),
        labeled_classes=tuple(str(number) for number in sorted({case.label_map.get(value, value) for value in values})),
    )


def _written(source: Source, manifest: Path) -> str:
    path, folder = file_of(source), manifest.absolute().parent
    if path is None:
        raise DataError(f"{manifest}: a manifest names files, and the data set holds arrays in memory.")
    path = path.absolute()
    text = (path.relative_to(folder) if path.is_relative_to(folder) else path).as_posix()
    return f"{text}[{source.index}]" if isinstance(source, Channel) else text


def _source(folder: Path, text: str) -> Source:
    """A file, or one channel of it."""
    match = CHANNEL.fullmatch(text)
    return Channel(folder / match[1], int(match[2])) if match else folder / text


def _as_yaml(head: dict[str, Any], rows: Sequence[Row]) -> str:
    cases = [row.model_dump(mode="json", exclude_defaults=True) for row in rows]
    return yaml.safe_dump({**head, "cases": cases}, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000)


def _as_csv(head: dict[str, Any], rows: Sequence[Row]) -> str:
    described = yaml.safe_dump(head, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000) if head else ""
    columns = [name for name in Row.model_fields if name not in OPTIONAL or any(getattr(row, name) for row in rows)]
    return write_table(described.splitlines(), columns, [{name: _cell(row, name) for name in columns} for row in rows])


def _cell(row: Row, name: str) -> str:
    value = getattr(row, name)
    if name == "labeled_slices":
        return written_ranges(value)
    return SEPARATOR.join(map(str, value)) if isinstance(value, tuple) else str(value)
