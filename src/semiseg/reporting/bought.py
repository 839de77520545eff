"""What the unlabelled scans bought: a line for each method against its supervised control."""

from __future__ import annotations

from collections.abc import Sequence

from semiseg.evaluation.gain import Gain, finding, in_words
from semiseg.reporting.contrasts import Contrast, unequal, without_unlabeled
from semiseg.reporting.contrasts import contrast as contrast_of
from semiseg.reporting.runs import Group, training_names

MORE_SEEDS = "Of one training of a method nobody can tell. More: the same trainings with another seed, then this report on all of them."


def gain_lines(groups: Sequence[Group], found: Sequence[Contrast]) -> list[str]:
    """Each method against the supervised one of its budget, runs that have a control beside them against that, and of the others how to
    find out.
    """
    lines, alone = [], False
    for group in groups:
        if not group.uses_unlabeled:
            continue
        contrast = next((each for each in found if each.group is group and not each.control.uses_unlabeled), None)
        if contrast is not None:
            lines.append(f"{group.name}: {against_control(contrast)}.")
            alone |= contrast.is_gain and not contrast.overall.knows_seeds
        else:
            lines += beside(group, lonely=all(each.group is not group for each in found))
        own = without_unlabeled(group, groups)
        if own is not None and (contrast is None or own is not contrast.control):
            difference = in_words(contrast_of(group, own).overall)
            lines.append(f"{group.name}: {difference}, against {own.name}: the method without unlabelled scans.")
    return [*lines, *([MORE_SEEDS] if alone else [])]


def against_control(contrast: Contrast) -> str:
    """The difference, and what it says of the unlabelled scans where nothing else differs."""
    paired, control = contrast.overall, contrast.control.name
    if contrast.is_gain:
        return finding(paired, contrast.group.name, control)
    others = "; ".join(unequal(contrast.group, contrast.control))
    return f"{in_words(paired)}, against {control}, a supervised run with other settings ({others}): no measure of the unlabelled scans"


def beside(group: Group, lonely: bool) -> list[str]:
    """What gain.json in the folders of a group's trainings says; where there is none, how to make one."""
    lines = []
    for name, (folder, _) in zip(training_names(group), group.trainings, strict=True):
        gain = folder.read_json("gain.json")
        if gain is not None:
            lines.append(f"{name}: {Gain.from_dict(gain).sentence()}")
        elif lonely:
            lines.append(f"{name}: not known; train its control with `semiseg train --resume {folder.path} --control`.")
    return lines
