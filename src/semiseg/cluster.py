"""A Ray cluster: joined or started, what its machines have room for, and whether they see the same files with the same semiseg."""

from __future__ import annotations

import logging
import os
import socket
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

from semiseg.errors import SettingsError

PATIENCE = 120.0
"""Seconds in which every machine must have answered a question; a first answer may start a process on a busy machine."""

KNOCKING = 10.0
"""Seconds in which the head of a cluster must take a call."""


@dataclass(frozen=True)
class Node:
    """One machine of a cluster, and what it lends."""

    id: str
    name: str
    cpus: int
    gpus: int


@dataclass(frozen=True)
class Share:
    """What one task takes of a machine."""

    cpus: int
    gpus: int

    def fits(self, node: Node) -> int:
        """How many such tasks a machine holds."""
        by_cpus = node.cpus // self.cpus
        return min(by_cpus, node.gpus // self.gpus) if self.gpus else by_cpus

    def options(self) -> dict[str, int]:
        """As Ray wants to be told."""
        return {"num_cpus": self.cpus, "num_gpus": self.gpus}


@dataclass(frozen=True)
class View:
    """What a machine sees. `paths`: of each, the names in a folder, the bytes of a file, or None where there is nothing."""

    semiseg: str
    paths: Mapping[str, tuple[str, ...] | int | None]
    writes: bool = True


def import_ray() -> ModuleType:
    """Ray, told not to report its use and to leave alone which GPUs are seen by tasks that take none.

    Raises:
        SettingsError: it is not installed.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # what Ray says that it will do, and warns of
    try:
        import ray
    except ImportError as error:
        raise SettingsError("--ray needs Ray. Install it here and on all machines, in a clone of semiseg: pip install '.[ray]'.") from error
    return ray


def connect(address: str) -> list[Node]:
    """The machines of a cluster, which this process belongs to from now on.

    Args:
        address: HOST:PORT; "auto" for the cluster that RAY_ADDRESS names or this machine is part of, else one of this machine alone, which
            ends with the process; "local" for the latter in any case. A process that has called `ray.init` stays where it is.

    Raises:
        SettingsError: Ray is not installed, or no cluster answers.
    """
    ray = import_ray()
    if not ray.is_initialized():
        place = os.environ.get("RAY_ADDRESS") if address == "auto" else address
        try:
            if place not in (None, "local"):
                knock(str(place))
            ray.init(address=place, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (OSError, ValueError, RuntimeError, ray.exceptions.RayError) as error:
            raise SettingsError(
                f"--ray {place}: no Ray cluster answers there ({' '.join(str(error).split())}). Start one with `ray start --head`, "
                "or use this machine alone with --ray local. If it asks for a token, set RAY_AUTH_MODE=token."
            ) from error
    return nodes()


def knock(address: str) -> None:
    """Raises OSError or ValueError where nobody listens at HOST:PORT; Ray itself would try for ten minutes."""
    host, _, port = address.rpartition("://")[2].rpartition(":")
    with socket.create_connection((host, int(port)), timeout=KNOCKING):
        pass


def nodes() -> list[Node]:
    """The machines that are there now and take tasks."""
    found = [(each, each["Resources"]) for each in import_ray().nodes() if each["Alive"]]
    lent = [Node(each["NodeID"], each["NodeManagerHostname"], int(has.get("CPU", 0)), int(has.get("GPU", 0))) for each, has in found]
    return [node for node in lent if node.cpus]


def make_share(machines: Sequence[Node], device: str, tasks: int | None = None) -> Share:
    """A GPU with its part of the cores for each task; without GPUs, a machine shared out among its part of the tasks.

    Args:
        machines: of `nodes`.
        device: "cuda", or "auto" where a machine has a GPU, asks for one.
        tasks: how many there shall be at a time; None: one for each GPU, or one for each machine (several for larger ones).

    Raises:
        SettingsError: nothing has room for it.
    """
    with_gpu = [node for node in machines if node.gpus]
    if device == "cuda" and not with_gpu:
        raise SettingsError("device: cuda was asked for, but no machine of the Ray cluster lends a GPU. Use --device cpu, or add one.")
    if not machines:
        raise SettingsError("The Ray cluster lends no CPU. Add a machine to it with `ray start --address=HOST:PORT`.")
    if device in ("cuda", "auto") and with_gpu:
        return Share(max(min(node.cpus // node.gpus for node in with_gpu), 1), 1)
    each = -(-tasks // len(machines)) if tasks else 1
    return Share(max(min(node.cpus for node in machines) // each, 1), 0)


def room(machines: Iterable[Node], share: Share, most: int | None = None) -> int:
    """How many tasks run at a time."""
    there = sum(map(share.fits, machines))
    return there if most is None else min(there, most)


def refuse_strangers(machines: Sequence[Node], share: Share, written: Path, read: Iterable[Path]) -> None:
    """Ask every machine that tasks may run on what it sees.

    Args:
        written: a folder that all must see and write to; made if it is not there.
        read: files and folders that all must see.

    Raises:
        SettingsError: naming the first machine that does not, and what it lacks.
    """
    ray = import_ray()
    written.mkdir(parents=True, exist_ok=True)
    probe = written.absolute() / f".probe-{uuid.uuid4().hex}"
    paths = [str(probe), *dict.fromkeys(str(path.absolute()) for path in read)]
    asked = [node for node in machines if share.fits(node)]
    probe.touch()
    try:
        ours = view(paths)
        answers = {node: _ask(ray, node, paths) for node in asked}
        for node, answer in answers.items():
            refuse_other_view(node.name, ours, _answer(ray, node, answer), probe)
    finally:
        probe.unlink()


def view(paths: Sequence[str]) -> View:
    """What this machine sees. Of the first path, whether a file may be written beside it."""
    beside = Path(f"{paths[0]}-{uuid.uuid4().hex}")
    try:
        beside.touch()
        beside.unlink()
    except OSError:
        return View(version("semiseg"), {path: glimpse(Path(path)) for path in paths}, writes=False)
    return View(version("semiseg"), {path: glimpse(Path(path)) for path in paths})


def glimpse(path: Path) -> tuple[str, ...] | int | None:
    """Enough to tell a folder or file from another one at the same place."""
    try:
        return tuple(sorted(entry.name for entry in path.iterdir())) if path.is_dir() else path.stat().st_size
    except OSError:
        return None


def refuse_other_view(name: str, ours: View, theirs: View, probe: Path) -> None:
    """Raises SettingsError where a machine, by its name, does not see or do what this one does."""
    if theirs.semiseg != ours.semiseg:
        raise SettingsError(f"{name}: has semiseg {theirs.semiseg}, and this machine {ours.semiseg}. Install the same version on all.")
    if theirs.paths[str(probe)] is None:
        raise SettingsError(
            f"{probe.parent}: {name} does not see what this machine writes there. Choose a folder on a file system that all machines of "
            "the Ray cluster share, at the same path."
        )
    if not theirs.writes:
        raise SettingsError(f"{probe.parent}: {name} cannot write there. Mend its permissions, or choose another folder.")
    for path, seen in ours.paths.items():
        if theirs.paths[path] != seen:
            lack = "does not see it" if theirs.paths[path] is None else "sees something else there"
            raise SettingsError(f"{path}: {name} {lack}. Put it on a file system that all machines of the Ray cluster share.")


def _ask(ray: ModuleType, node: Node, paths: Sequence[str]) -> Any:
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    place = NodeAffinitySchedulingStrategy(node.id, soft=False)
    return ray.remote(view).options(num_cpus=0, scheduling_strategy=place).remote(paths)


def _answer(ray: ModuleType, node: Node, answer: Any) -> View:
    try:
        found: View = ray.get(answer, timeout=PATIENCE)
    except ray.exceptions.RayTaskError as error:
        said = str(error).strip().splitlines()[-1]
        raise SettingsError(f"{node.name}: cannot run semiseg ({said}). Install it there: pip install '.[ray]' in a clone.") from error
    except ray.exceptions.RayError as error:
        said = str(error).strip().partition("\n")[0]
        raise SettingsError(f"{node.name}: does not answer ({said}). Try again, or take it out of the Ray cluster.") from error
    return found
