"""Chooses where scans are predicted: in this process, in several of this machine, or on a Ray cluster."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from semiseg.inference.files import Here, Place
from semiseg.inference.predictor import Maps, Predictor
from semiseg.inference.worker import Model


def make_place(
    model: Model,
    inputs: Sequence[Path],
    to: Path,
    jobs: int | None = None,
    ray: str | None = None,
    device: str = "auto",
    maps: Maps | None = None,
) -> tuple[Predictor, Place]:
    """The model, for what is to be known of it, and where it predicts.

    Args:
        inputs, to: files and folders of the scans, and the folder of the masks, which the machines of a cluster must see.
        jobs: scans at a time. None: one on this machine; on a cluster as many as `cluster.make_share` finds right.
        ray: address of a Ray cluster, see `cluster.connect`.
        device: auto, cpu, cuda or mps.
        maps: what to keep beside the masks.

    Raises:
        SemisegError: the model cannot be loaded; no such cluster, or machines in it that do not see the folders.
    """
    if ray is None and (jobs is None or jobs == 1):
        predictor = model.load(device)
        return predictor, Here(predictor, maps)
    predictor = model.load("cpu")
    if ray is None:
        from semiseg.inference.process_crew import ProcessCrew

        return predictor, ProcessCrew(model, jobs or 1, device, maps)
    from semiseg.cluster import connect, make_share, refuse_strangers, room
    from semiseg.inference.ray_crew import RayCrew

    machines = connect(ray)
    share = make_share(machines, device, jobs)
    refuse_strangers(machines, share, to, [*model.folders, *inputs])
    return predictor, RayCrew(model, max(room(machines, share, jobs), 1), share, device, maps)
