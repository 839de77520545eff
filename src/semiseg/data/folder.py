"""From a folder to a data set: a known set by its layout, else `images/` and `labels/` of NIfTI files."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from semiseg.case import Case
from semiseg.data.dataset import Dataset
from semiseg.data.formats import case_name, nifti, read_header
from semiseg.data.formats.common import suffix
from semiseg.data.known import KNOWN
from semiseg.data.lists import read_list
from semiseg.errors import DataError

LOOKED_FOR = (
    "'images/' with NIfTI files, 'labels/' for those that are labelled, and if you like train.list, val.list, test.list, dataset.yaml"
)


class Description(BaseModel):
    """`dataset.yaml`, all optional.

    Attributes:
        name: of the data set; by default that of the folder.
        classes: names of the foreground classes 1, 2, ...
        groups: case id to group (patient), for patients with several scans.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str | None = None
    classes: tuple[str, ...] | None = Field(default=None, min_length=1)
    groups: dict[str, str] = {}


def open_folder(path: Path, classes: tuple[str, ...] | None = None) -> Dataset:
    """The data set in a folder.

    Args:
        path: the folder of a known set (LA, ACDC), or one with `images/` and `labels/`.
        classes: names of the foreground classes, instead of those of `dataset.yaml`. Known sets name their own.

    Raises:
        DataError: the folder does not exist or is laid out in no way that is known (the message says which were looked for), a list
            names a case that is not there, a label has no image.
    """
    path = Path(path)
    if not path.is_dir():
        raise DataError(f"{path}: no such folder.")
    for known in KNOWN:
        if known.matches(path):
            known_set: Dataset = known.load(path)
            return known_set
    if matches(path):
        return load(path, classes)
    layouts = "; ".join([LOOKED_FOR, *(known.LOOKED_FOR for known in KNOWN)])
    raise DataError(f"{path}: no data set found. Looked for: {layouts}.")


def matches(folder: Path) -> bool:
    """Whether `folder` has `images/`."""
    return (folder / "images").is_dir()


def load(folder: Path, classes: tuple[str, ...] | None = None) -> Dataset:
    """A plain folder. An image without a label of the same name is unlabelled; without lists every case is for training.

    With lists, a case that is on none of them is left out; without train.list, training takes what no list names.
    """
    description = _description(folder / "dataset.yaml")
    cases = _cases(folder, description)
    parts = {part: _listed(folder / f"{part}.list", cases) for part in ("train", "val", "test")}
    held_out = {case.id for part in ("val", "test") for case in parts[part] or ()}
    train = parts["train"] if parts["train"] is not None else tuple(case for case in cases.values() if case.id not in held_out)
    return Dataset(
        description.name or folder.resolve().name,
        classes or description.classes,
        train=train,
        validation=parts["val"] or (),
        test=parts["test"] or (),
        dimensions=len(read_header(next(iter(cases.values())).images[0])[0]),
    )


def _cases(folder: Path, description: Description) -> dict[str, Case]:
    images, labels = _scans(folder / "images"), _scans(folder / "labels")
    if not images:
        raise DataError(f"{folder / 'images'}: holds no scans; expected files that end with {' or '.join(nifti.SUFFIXES)}.")
    orphans = [file for name, file in labels.items() if name not in images]
    if orphans:
        raise DataError(
            f"{orphans[0]}: label without an image ({len(orphans)} of {len(labels)} labels). "
            f"A label is named as its image is: 'images/{orphans[0].name}'."
        )

    strangers = [name for name in description.groups if name not in images]
    if strangers:
        raise DataError(f"{folder / 'dataset.yaml'}: groups name '{strangers[0]}', which is not in images/.")
    return {name: Case(name, (path,), labels.get(name), group=description.groups.get(name, "")) for name, path in images.items()}


def _scans(folder: Path) -> dict[str, Path]:
    """Case id -> file, sorted by id. Hidden files are passed over; a folder that does not exist has none."""
    scans: dict[str, Path] = {}
    paths = sorted(folder.iterdir()) if folder.is_dir() else []
    for path in paths:
        if path.name.startswith(".") or suffix(path) not in nifti.SUFFIXES:
            continue
        other = scans.setdefault(case_name(path), path)
        if other != path:
            raise DataError(f"{path}: {other.name} has the same case id '{case_name(path)}'. Keep one of them.")
    return dict(sorted(scans.items()))


def _listed(path: Path, cases: dict[str, Case]) -> tuple[Case, ...] | None:
    if not path.is_file():
        return None
    ids = read_list(path)
    missing = [name for name in ids if name not in cases]
    if missing:
        raise DataError(f"{path}: names '{missing[0]}', which is not in images/ ({len(missing)} of {len(ids)} are missing).")
    return tuple(cases[name] for name in ids)


def _description(path: Path) -> Description:
    if not path.is_file():
        return Description()
    try:
        return Description.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except yaml.YAMLError as error:
        raise DataError(f"{path}: is not YAML ({error}).") from error
    except ValidationError as error:
        first = error.errors()[0]
        raise DataError(
            f"{path}: {'.'.join(str(part) for part in first['loc'])}: {first['msg']}. Known keys: {', '.join(Description.model_fields)}."
        ) from error
