"""What a page says of how its test scans and models were kept apart, and the line of origin that each of its tables carries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from semiseg.reporting.runs import Group

MEANINGS: Mapping[str, str] = {
    "sealed, last step": "the test scans were opened after training was finished, and the model is that of the last step",
    "sealed, selected on validation": "the test scans were opened after training was finished, and the model was chosen on scans that were "
    "taken out of the labelled budget",
    "paper: last step": "the test scans were looked at during training, as in publications; these scores are those of the last step",
    "paper: selected on validation": "the model was chosen on the published validation scans, whose labels the budget does not count",
    "paper: selected on test": "SELECTED ON TEST: the model is the one that scored best on the test scans, as in publications; "
    "the scores are better than new scans will give",
}
"""By what score files say, without the fold."""
UNKNOWN = "not said by the score files"


def about_protocols(groups: Sequence[Group]) -> str:
    """A sentence on each protocol of the runs."""
    said = protocols(groups)
    kinds = dict.fromkeys(map(without_fold, said))
    if list(kinds) == [UNKNOWN]:
        return "Protocol: not recorded for any run (see Protocol below)."
    told = [f"Protocol “{kind}”: {MEANINGS.get(kind, 'see the documentation of the runs')}." for kind in kinds if kind != UNKNOWN]
    told += ["Some runs do not say their protocol (see Protocol below)."] if UNKNOWN in kinds else []
    folds = sorted({name.rpartition("fold ")[2] for name in said if "fold " in name})
    told += [f"Cross-validation, folds {', '.join(folds)}: each scan is tested by the run that did not train on it."] if folds else []
    if len(kinds.keys() - {UNKNOWN}) > 1:
        told.append("These runs are of different protocols, which must not be ranked against each other.")
    return " ".join(told)


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
