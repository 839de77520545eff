"""Which prediction belongs to which reference: two folders of files, matched by name."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from semiseg.case import WHOLE_LABEL, LabeledPart, Source
from semiseg.data.formats import SUFFIXES, case_name, label_source
from semiseg.data.layouts.scans import NUMBERED, ONLY_MODALITY
from semiseg.errors import DataError

NAMED = 5
"""How many names an error lists."""


@dataclass(frozen=True, eq=False)
class Pair:
    """One case to score.

    Attributes:
        id: the case.
        prediction: label map to judge, or None where there is none: a failure, counted as such. A path may be a string.
        reference: label map that is taken for true. A path may be a string.
        spacing: mm a voxel along each axis; None: as the files say, and unknown if they say nothing.
        label_map: value in the reference file -> class number or `IGNORE`, as in `Case`.
        labeled_part: what of the reference counts.
        group: patient of the case, as in `Case`.
        prediction_label_map: value in the prediction file -> class number. What this package predicts holds class numbers already.
    """

    id: str
    prediction: Source | None
    reference: Source
    spacing: tuple[float, ...] | None = None
    label_map: Mapping[int, int] = field(default_factory=dict)
    labeled_part: LabeledPart = WHOLE_LABEL
    group: str = ""
    prediction_label_map: Mapping[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("prediction", "reference"):
            source = getattr(self, name)
            if isinstance(source, str):
                object.__setattr__(self, name, Path(source))


def match_pairs(predictions: Path | str, references: Path | str, allow_missing: bool = False) -> list[Pair]:
    """Pairs of two folders by case id (the file name without the suffix of its format, see `SUFFIXES`), or the pair of two single files.

    The references say which cases count; a prediction without a reference is left alone. `CASE_0000` is matched with `CASE` where neither
    has a partner of its own name and no file is called `CASE_0001` or the like, so that the number can only be that of the one modality.

    Args:
        predictions: folder of label maps, or one.
        references: folder of label maps, or one.
        allow_missing: make a pair without a prediction where there is none, to be counted as a failure.

    Raises:
        DataError: a path is missing, one is a file and the other a folder, a folder holds no label map or two with one id,
            nothing matches, or predictions are missing and `allow_missing` is not set.
    """
    predictions, references = Path(predictions), Path(references)
    for path in (predictions, references):
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
    if predictions.is_dir() != references.is_dir():
        raise DataError(f"{predictions} and {references}: one is a file, the other a folder. Give two files or two folders")
    if references.is_file():
        return [_pair(case_name(references), predictions, references)]
    wanted = _label_maps(references)
    found = _matched(wanted, _label_maps(predictions))
    _check_missing([case for case in wanted if case not in found], wanted, predictions, allow_missing)
    return [_pair(case, found.get(case), reference) for case, reference in wanted.items()]


def _pair(case: str, prediction: Path | None, reference: Path) -> Pair:
    """A DICOM-SEG may leave slices out: the reference is laid on the grid of the prediction."""
    return Pair(case, prediction, reference if prediction is None else label_source(reference, prediction))


def _matched(wanted: Mapping[str, Path], found: Mapping[str, Path]) -> dict[str, Path]:
    """The prediction of each reference that has one."""
    numbers = Counter(match[1] for name in {*wanted, *found} if (match := NUMBERED.fullmatch(name)))
    matched = {}
    for case in wanted:
        bare = case.removesuffix(ONLY_MODALITY)
        other = bare if bare != case else case + ONLY_MODALITY
        if case in found:
            matched[case] = found[case]
        elif other in found and other not in wanted and numbers[bare] == 1:
            matched[case] = found[other]
    return matched


def _label_maps(folder: Path) -> dict[str, Path]:
    """The label maps of a folder by case id, sorted."""
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not path.name.lower().endswith(SUFFIXES):
            continue
        case = case_name(path)
        if case in found:
            raise DataError(f"{folder}: {found[case].name} and {path.name} are both case {case}. Keep one of them")
        found[case] = path
    if not found:
        raise DataError(f"{folder}: no label maps here; expected files that end in {', '.join(SUFFIXES)}")
    return found


def _check_missing(missing: list[str], wanted: dict[str, Path], predictions: Path, allow_missing: bool) -> None:
    if len(missing) == len(wanted):
        raise DataError(
            f"{predictions}: no prediction for any of the {len(wanted)} references. "
            f"Files are matched by name; expected for instance {missing[0]}.nii.gz"
        )
    if missing and not allow_missing:
        names = ", ".join(missing[:NAMED]) + (", ..." if len(missing) > NAMED else "")
        raise DataError(
            f"{predictions}: {len(missing)} of {len(wanted)} predictions are missing: {names}. "
            "Add them, or count them as failures: --allow-missing (in Python allow_missing=True)"
        )
