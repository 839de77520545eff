"""A run on its way to being complete: what is set stays, what is open is decided, and every choice keeps its reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from semiseg.config import Run, validated

OPEN: Mapping[str, Any] = {
    "data.classes": (),
    "data.channels": None,
    "network.kind": None,
    "preparation.slice_axis": None,
    "training.patch": (),
}
"""Settings with a value that says: to be found."""
BY_YOU = "set by you"
BY_DATA = "set by the data set"


@dataclass(frozen=True)
class Choice:
    """One setting of a plan, and why it has its value. `by`: who decided."""

    setting: str
    value: Any
    reason: str
    by: Literal["plan", "you", "data set"] = "plan"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Draft:
    """The values of a run while they are decided.

    Args:
        asked: the run as it was asked for.
        of_data: settings that the data set brought with it, by their dotted names.
    """

    def __init__(self, asked: Run, of_data: frozenset[str] = frozenset()) -> None:
        self.asked, self.of_data = asked, of_data
        self.values = asked.model_dump()
        self.choices: list[Choice] = []

    def is_set(self, setting: str) -> bool:
        """Whether somebody said what it is to be."""
        section, _, name = setting.rpartition(".")
        model = getattr(self.asked, section) if section else self.asked
        return name in model.model_fields_set and not (setting in OPEN and getattr(model, name) == OPEN[setting])

    def get(self, setting: str) -> Any:
        """The value as it stands."""
        section, _, name = setting.rpartition(".")
        return (self.values[section] if section else self.values)[name]

    def fill(self, setting: str, value: Any) -> None:
        """Give a setting that is open a value that is no choice but a fact."""
        if not self.is_set(setting):
            section, _, name = setting.rpartition(".")
            self.values[section][name] = value

    def decide(self, setting: str, value: Any, reason: str) -> Any:
        """Choose a value, unless one is set. Returns what holds."""
        return self.decide_together({setting: value}, reason)[setting]

    def decide_together(self, values: Mapping[str, Any], reason: str) -> dict[str, Any]:
        """Choose values that belong together: where one of them is set, the others keep their defaults. Returns what holds."""
        kept = [setting for setting in values if self.is_set(setting)]
        for setting, value in values.items():
            if not kept:
                self.fill(setting, value)
                self.choices.append(Choice(setting, value, reason))
            elif setting in kept:
                self.keep(setting)
        return {setting: self.get(setting) for setting in values}

    def keep(self, setting: str) -> None:
        """Note a setting that somebody else has decided."""
        by_data = setting in self.of_data
        self.choices.append(Choice(setting, self.get(setting), BY_DATA if by_data else BY_YOU, "data set" if by_data else "you"))

    def run(self) -> Run:
        """The run with all that was decided.

        Raises:
            SettingsError: the values do not go together.
        """
        return validated(self.values)
