"""A plan as people and programs read it: a table, JSON, and a run file with the reasons as comments."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from semiseg.planning.draft import Choice
from semiseg.planning.plan import Plan

LEFT_OUT = ("folder",)
"""Of section data: a run file is for any folder."""


def as_dict(plan: Plan) -> dict[str, Any]:
    """For plan.json and `--json`."""
    return {
        "data": plan.found.summary(),
        "machine": vars(plan.machine),
        "choices": [choice.as_dict() for choice in plan.choices],
        "workers": plan.workers,
        "expected": {"peak_memory_mb": round(plan.memory / 2**20), "seconds": None if plan.seconds is None else round(plan.seconds)},
    }


def table_rows(plan: Plan) -> Iterator[tuple[str, str, str]]:
    """(setting, value, reason); settings that were chosen together are one row, a line each."""
    for group in _together(plan.choices):
        names = "\n".join(choice.setting for choice in group)
        yield names, "\n".join(inline(choice.value) for choice in group), group[0].reason


def in_brief(plan: Plan) -> list[str]:
    """A few lines for the beginning of a training."""
    run = plan.run
    training, sides = run.training, " x ".join(map(str, run.training.patch))
    batch = f"{training.labeled_batch} labelled" + (f" and {training.unlabeled_batch} unlabelled" if run.method != "supervised" else "")
    spacing = "" if run.preparation.spacing is None else f", resampled to {' x '.join(f'{side:g}' for side in run.preparation.spacing)} mm"
    slices = "" if run.preparation.slice_axis is None else f" of slices along axis {run.preparation.slice_axis}"
    return [
        f"plan for {plan.machine}:",
        f"  {run.method}, {run.network.kind} of width {run.network.width}; patches {sides}{slices}, {batch} a step",
        f"  normalize {run.preparation.normalize}{spacing}; {training.steps} steps of {training.optimizer}; {cost_text(plan)}",
    ]


def cost_text(plan: Plan) -> str:
    """Expected memory and time, in words."""
    memory = f"about {plan.memory / 2**30:.1f} GB"
    if plan.seconds is None:
        return f"{memory}; time not known on this device before --dry-run measures it"
    return f"{memory} and {plan.seconds / 60:.0f} min" if plan.seconds >= 90 else f"{memory} and {plan.seconds:.0f} s"


def as_run_file(plan: Plan, title: str) -> str:
    """A run file for `--config`: what was set and what was chosen, each choice under its reason."""
    reasons = {choice.setting: choice.reason for choice in plan.choices if choice.by == "plan"}
    lines = [f"# Planned by `semiseg plan` for {title}, on {plan.machine}.", f"# Expected: {cost_text(plan)}. Edit what you know better."]
    said = ""
    for place, value in _leaves(settled(plan)):
        section, _, name = place.rpartition(".")
        if section and section != said:
            lines.append(f"{section}:")
        said = section
        indent = "  " if section else ""
        reason = reasons.get(place, "")
        if reason and f"{indent}# {reason}" not in lines:
            lines.append(f"{indent}# {reason}")
        lines.append(f"{indent}{name}: {inline(value)}")
    return "\n".join(lines) + "\n"


def settled(plan: Plan) -> dict[str, Any]:
    """All settings that were set or chosen, nested, in the order of a run file."""
    chosen = {choice.setting for choice in plan.choices}
    whole = plan.run.model_dump(mode="json")
    given = plan.asked.model_dump(mode="json", exclude_unset=True)
    result: dict[str, Any] = {}
    for key, value in whole.items():
        if not isinstance(value, Mapping):
            kept = value if key in given or key in chosen else None
        elif key == "settings":
            kept = given.get(key) or None
        else:
            kept = {k: v for k, v in value.items() if (k in given.get(key, {}) or f"{key}.{k}" in chosen) and k not in LEFT_OUT} or None
        if kept is not None:
            result[key] = kept
    return result


def inline(value: Any) -> str:
    """A value on one line, as YAML."""
    plain = list(value) if isinstance(value, tuple) else value
    return yaml.safe_dump(plain, default_flow_style=True, width=10_000, allow_unicode=True).strip().removesuffix("\n...")


def _leaves(values: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from ((f"{key}.{name}", inner) for name, inner in value.items())
        else:
            yield key, value


def _together(choices: tuple[Choice, ...]) -> Iterator[list[Choice]]:
    """Choices with one reason of the plan, in a row and in one section."""
    group: list[Choice] = []
    for choice in choices:
        same = group and choice.by == "plan" and choice.reason == group[-1].reason and _section(choice) == _section(group[-1])
        if group and not same:
            yield group
            group = []
        group.append(choice)
    if group:
        yield group


def _section(choice: Choice) -> str:
    return choice.setting.rpartition(".")[0]
