"""The sealed door: during training the test cases have names and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any

from semiseg.case import Case
from semiseg.errors import SealedError
from semiseg.run_folder import RunFolder

CLOSED = ("images", "label", "__dict__")


@dataclass(frozen=True, eq=False)
class SealedCase(Case):
    """A test case during training. Its name can be told; whoever reads `images` or `label`, or `vars` of it, gets a SealedError."""

    def __getattribute__(self, name: str) -> Any:
        if name in CLOSED:
            raise SealedError(f"{self.id}: its {name} was asked for during training. Test cases stay closed until the run is finished.")
        return super().__getattribute__(name)


def seal(cases: Iterable[Case]) -> tuple[Case, ...]:
    """The same cases, closed."""
    return tuple(SealedCase(**_contents(case)) for case in cases)


def unseal(cases: Iterable[Case], folder: RunFolder) -> tuple[Case, ...]:
    """The same cases, open again.

    Raises:
        SealedError: the run is not finished.
    """
    if not folder.weights.is_file():
        raise SealedError(f"{folder.path}: its test cases stay closed until the last step is done and the weights are saved.")
    return tuple(Case(**_contents(case)) for case in cases)


def _contents(case: Case) -> dict[str, Any]:
    return {field.name: object.__getattribute__(case, field.name) for field in fields(Case)}
