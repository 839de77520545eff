"""What a grid knows of its trainings: state.json, with every error, written whenever something changes."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from semiseg.benchmark.training import Training, finished
from semiseg.run_folder import RunFolder, replacing

Status = Literal["waiting", "running", "stopped", "failed", "finished"]


@dataclass
class Entry:
    """One training. `attempts`: how often it was begun or gone on with; `errors`: of all that failed, the last one last."""

    status: Status = "waiting"
    attempts: int = 0
    errors: list[str] = field(default_factory=list)


class State:
    """All entries by name. What is finished is read from the run folders, so that these alone can be carried to another machine."""

    def __init__(self, out: Path, trainings: list[Training]) -> None:
        self.path, self.out = out / "state.json", out
        known = json.loads(self.path.read_text(encoding="utf-8")) if self.path.is_file() else {}
        self.entries = {training.name: Entry(**known[training.name]) if training.name in known else Entry() for training in trainings}
        for name, entry in self.entries.items():
            entry.status = self._status(name, entry)

    def _status(self, name: str, entry: Entry) -> Status:
        """What failed stays so until it is tried again; what was at work when its grid was killed has stopped."""
        if finished(self.folder(name)):
            return "finished"
        return "failed" if entry.status == "failed" else "stopped" if entry.attempts else "waiting"

    def folder(self, name: str) -> RunFolder:
        return RunFolder(self.out / name)

    def set(self, name: str, status: Status, error: str = "") -> None:
        """Note what became of a training, on the disk too."""
        entry = self.entries[name]
        entry.status = status
        entry.attempts += status == "running"
        entry.errors += [error] if error else []
        self.save()

    def save(self) -> None:
        with replacing(self.path) as temporary:
            temporary.write_text(
                json.dumps({name: asdict(entry) for name, entry in self.entries.items()}, indent=2) + "\n", encoding="utf-8"
            )

    def named(self, *statuses: Status) -> list[str]:
        """The trainings in one of these states."""
        return [name for name, entry in self.entries.items() if entry.status in statuses]
