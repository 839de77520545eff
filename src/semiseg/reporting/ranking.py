"""The parts of a page on many methods: Dice by label budget, how stable their order is, and what choosing on test cases added."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from semiseg.evaluation.efficiency import LEAST_BUDGETS, REACH, Efficiency
from semiseg.evaluation.gain import PERCENT
from semiseg.evaluation.inflation import inflation
from semiseg.evaluation.ranks import LEAST, Stability, rank_stability
from semiseg.evaluation.results import MEAN, Evaluation
from semiseg.evaluation.statistics import SEVERAL
from semiseg.reporting.contrasts import every_pair, fields
from semiseg.reporting.curve import budget_picture, curves_of, efficiency
from semiseg.reporting.evidence import ABOUT_P, failed_in, number, over, paired_cells, paired_head, scores_together, span
from semiseg.reporting.html import Section
from semiseg.reporting.protocols import kind
from semiseg.reporting.runs import Group, pooled
from semiseg.reporting.tables import Table

ABOUT_FITS = (
    f"Where a method has {LEAST_BUDGETS} label budgets or more and its Dice rises, its line is a fitted plateau: solid where labels were "
    f"tried, dashed up to {REACH:g} times as many, and not believed beyond."
)
ABOUT_RANKS = (
    "First: how often a method comes first when test scans and trainings are drawn again, which is how far the order can be relied on. "
    f"Ranks: where the middle {PERCENT} of its ranks lie then. Kendall's tau says how far two seeds, each taken alone, agree on the order: "
    "1 wholly, 0 no more than by chance, -1 the one is the other reversed."
)
ABOUT_INFLATION = (
    "The same trainings scored twice: with the weights of the last step, and with the weights that looked best on the scans named by the "
    "protocol. Where those are the test scans, the difference is what choosing on them adds, and no new scan will give it back. "
    "An interval with * is of one training, over scans alone."
)

ABOUT_PAIRS = f"{ABOUT_P} The interval speaks of both; with * a side has one training, and it is over scans alone."
ONE_SEED = "Some methods have one training: what another seed would change is not in this order, and may reverse it."
SELECTED = "scores-selected.json"


def budgets(groups: Sequence[Group]) -> tuple[Section, ...]:
    """Dice by method and label budget, with a picture, and what more labels would bring; nothing for a single budget."""
    if len({group.budget for group in groups}) < 2:
        return ()
    curves = {name: efficiency(members) for name, members in curves_of(groups).items()}
    columns = sorted({group.budget for group in groups})
    rows = []
    for name, curve in curves.items():
        cells = {budget.labels: f"{budget.mean:.3f} ({span(budget.interval)})" for budget in curve.budgets}
        rows.append((name, *(cells.get(column, "–") for column in columns)))
    table = Table(("Method", *(f"{column} labelled" for column in columns)), tuple(rows))
    told = fits(curves)
    caption = f"Mean Dice and its {PERCENT} interval by label budget; of one training it is over scans alone."
    return (Section("Label budgets", ABOUT_FITS if told else "", ((caption, table),), (budget_picture(curves),), told),)


def fits(curves: Mapping[str, Efficiency]) -> tuple[str, ...]:
    """What the fitted curves say, a line each, and what they leave out, once where it is the same for all."""
    fitted = {name: (curve.estimate(curve.plateau), curve.caution()) for name, curve in curves.items() if curve.plateau is not None}
    cautions = {caution for _, caution in fitted.values()}
    if len(fitted) < LEAST or len(cautions) > 1:
        return tuple(f"{name}: {curves[name].sentence()}" for name in fitted)
    return (*(f"{name}: {estimate}" for name, (estimate, _) in fitted.items()), *filter(None, cautions))


def ranks(groups: Sequence[Group]) -> tuple[Section, ...]:
    """The order of the methods of each label budget, and how stable it is; nothing where no budget has two."""
    tables = [rank_table(members, where) for where, members in named_fields(groups) if len(members) >= LEAST]
    return (Section("Order of the methods", ABOUT_RANKS, tuple(tables)),) if tables else ()


def named_fields(groups: Sequence[Group]) -> list[tuple[str, list[Group]]]:
    """Groups that may be ranked against each other, under the start of a caption: the budget, and the protocol if there are several."""
    several = len({kind(group) for group in groups}) > 1
    return [(f"With {field[0].labels}" + (f" under “{kind(field[0])}”" if several else ""), field) for field in fields(groups)]


def pairs(groups: Sequence[Group]) -> tuple[Section, ...]:
    """Each method against each other one of its label budget; nothing where no budget has more than two, which are compared elsewhere."""
    tables = []
    for where, members in named_fields(groups):
        if len(members) > LEAST:
            found = every_pair(members)
            some = any(one.overall.left_out for one in found)
            rows = tuple((one.group.name, one.control.name, *paired_cells(one.overall, some)) for one in found)
            caption = f"{where}: Dice of the first less that of the other, mean over classes."
            tables.append((caption, Table(("Method", "Against", *paired_head(some)), rows, keys=2)))
    return (Section("Every pair", ABOUT_PAIRS, tuple(tables)),) if tables else ()


def rank_table(members: Sequence[Group], where: str) -> tuple[str, Table]:
    """Caption and table of one label budget, the best method first."""
    found, rows = stability(members), []
    for name, place in sorted(found.places.items(), key=lambda item: item[1].rank):
        failures = failed_in(next(group for group in members if group.name == name), MEAN)
        rows.append(
            (name, f"{place.rank:g}", f"{place.mean:.3f}", f"{place.first:.0%}", f"{place.best:g} to {place.worst:g}", str(failures))
        )
    several = len({run.data.draw for group in members for run in group.runs}) > 1
    kinds = "seeds, each with its label draw" if several else "seeds"
    agreed = "" if math.isnan(found.tau) else f" Kendall's tau between {found.seeds} {kinds}: {found.tau:.2f}."
    lonely = "" if all(len(group.evaluations) >= SEVERAL for group in members) else f" {ONE_SEED}"
    caption = f"{where}, by mean Dice.{agreed}{lonely}"
    return caption, Table(("Method", "Rank", "Dice", "First", "Ranks", "Failures"), tuple(rows))


def stability(members: Sequence[Group]) -> Stability:
    """The order of the methods of one label budget, by the Dice of the mean over classes."""
    scores, patients = scores_together(members)
    by_seed = {group.name: {seed: row for row, seed in enumerate(group.by_seed)} for group in members}
    return rank_stability(dict(zip((group.name for group in members), scores, strict=True)), by_seed, groups=patients)


def selected(groups: Sequence[Group]) -> tuple[Section, ...]:
    """What the best of many looks scores beyond the last step, where runs have both."""
    rows = []
    for group in groups:
        last, best = both_scores(group)
        if not last:
            continue
        how = "; ".join(dict.fromkeys(each.provenance.protocol if each.provenance else "–" for each in best))
        for name, found in inflation(last, best).items():
            interval = over(span(found.interval, "+.3f"), found.trainings >= SEVERAL)
            cells = (f"{found.last:.3f}", f"{found.selected:.3f}", f"{found.difference:+.3f}", interval)
            rows.append((group.name, name, how, str(found.trainings), *cells, number(found.largest)))
    head = ("Method", "Class", "Protocol", "Trainings", "Last", "Selected", "Difference", f"{PERCENT} interval", "Largest")
    if not rows:
        return ()
    caption = "Dice of the selected weights less that of the last step; largest: of a single training."
    return (Section("Selected weights against the last step", ABOUT_INFLATION, ((caption, Table(head, tuple(rows), keys=3)),)),)


def both_scores(group: Group) -> tuple[list[Evaluation], list[Evaluation]]:
    """Scores of the last step and of the selected weights of each training that has both, folds taken together."""
    every = [(run, last, folder.path / SELECTED) for run, (folder, last) in zip(group.runs, group.trainings, strict=True)]
    trained = [each for each in every if each[2].is_file()]
    last = pooled([(run, scores) for run, scores, _ in trained])
    chosen = pooled([(run, Evaluation.from_json(path)) for run, _, path in trained])
    return list(last.values()), list(chosen.values())
