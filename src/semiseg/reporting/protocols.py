"""What a page says of how its test scans and models were kept apart, and the line of origin that each of its tables carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from semiseg.config import Run
from semiseg.reporting.runs import Group
from semiseg.run_folder import RunFolder
from semiseg.training.protocol import looked_at

MEANINGS: Mapping[str, str] = {
    "sealed, last step": "the test scans were opened after training was finished, and the model is that of the last step",
    "sealed, selected on validation": "the test scans were opened after training was finished, and the model was chosen on scans that were "
    "taken out of the labelled budget",
    "paper: selected on validation": "the model was chosen on the published validation scans, whose labels the budget does not count",
    "paper: selected on test": "SELECTED ON TEST: the model is the one that scored best on the test scans, as in publications; "
    "the scores are better than new scans will give",
}
"""By what score files say, without the fold."""
LAST_OF_PAPER = "paper: last step"
LOOKED_AT: Mapping[str | None, str] = {
    "test": "the test scans were looked at during training, as in publications; these scores are those of the last step",
    "validation": "the published validation scans were looked at during training, the test scans were not; these scores are those of the "
    "last step",
    None: "nothing was looked at during training, and the model is that of the last step",
}
"""What `LAST_OF_PAPER` means of a run, by what it looked at."""
FROM_BEST = ", of a training whose later stage began with the weights that had scored best on these scans"
UNKNOWN = "not said by the score files"


def about_protocols(groups: Sequence[Group]) -> str:
    """A sentence on each protocol of the runs."""
    said = protocols(groups)
    kinds = dict.fromkeys(map(without_fold, said))
    if list(kinds) == [UNKNOWN]:
        return "Protocol: not recorded for any run (see Protocol below)."
    told = [f"Protocol “{kind}”: {meaning(kind, groups)}." for kind in kinds if kind != UNKNOWN]
    told += ["Some runs do not say their protocol (see Protocol below)."] if UNKNOWN in kinds else []
    folds = sorted({name.rpartition("fold ")[2] for name in said if "fold " in name})
    told += [f"Cross-validation, folds {', '.join(folds)}: each scan is tested by the run that did not train on it."] if folds else []
    if len(kinds.keys() - {UNKNOWN}) > 1:
        told.append("These runs are of different protocols, which must not be ranked against each other.")
    return " ".join(told)


def meaning(said: str, groups: Sequence[Group]) -> str:
    """Of what score files say; where its runs differ in it, by the names of their groups."""
    if said != LAST_OF_PAPER:
        return MEANINGS.get(said, "see the documentation of the runs")
    found: dict[str, list[str]] = {}
    for group in groups:
        for run, (folder, evaluation) in zip(group.runs, group.trainings, strict=True):
            if evaluation.provenance and without_fold(evaluation.provenance.protocol) == said:
                found.setdefault(looks(folder, run), []).append(group.name)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{', '.join(dict.fromkeys(names))}: {how}" for how, names in found.items())


def looks(folder: RunFolder, run: Run) -> str:
    """What a run of the paper protocol looked at before its last step, as a phrase."""
    part = looked_at(run, folder.read_json("split.json")["validation"])
    return LOOKED_AT[part] + (FROM_BEST if run.selection.next_stage_from_best else "")


def protocols(groups: Sequence[Group]) -> list[str]:
    """What the score files say, each once."""
    sources = [evaluation.provenance for group in groups for _, evaluation in group.trainings]
    return list(dict.fromkeys(source.protocol if source else UNKNOWN for source in sources))


def kind(group: Group) -> str:
    """The protocol of a group, without its folds. Groups of different protocols are neither ranked nor tested against each other."""
    return "; ".join(dict.fromkeys(map(without_fold, protocols([group]))))


def without_fold(protocol: str) -> str:
    """As `MEANINGS` names it."""
    return protocol.partition(", fold ")[0]


def origin(groups: Sequence[Group]) -> dict[str, str]:
    """Where the numbers of a page's tables come from, in a few words each: protocol, seeds, draws, data, version."""
    sources = [evaluation.provenance for group in groups for _, evaluation in group.trainings]
    known = [source for source in sources if source]
    if not known:
        return {"protocol": UNKNOWN}

    def every(name: str) -> str:
        return ", ".join(dict.fromkeys(str(getattr(source, name)) for source in sorted(known, key=lambda source: getattr(source, name))))

    columns = {"protocol": "protocol", "seeds": "seed", "draws": "draw", "data": "data", "version": "version"}
    return {title: "; ".join(protocols(groups)) if name == "protocol" else every(name) for title, name in columns.items()}
