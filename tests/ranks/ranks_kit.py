"""What the tests of several processes compute: alone when imported, shared when this file is run by each of them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from semiseg.case import Batch, Case, Labeled, Unlabeled
from semiseg.data.dataset import Dataset
from semiseg.data.phantom import phantom_case
from semiseg.methods import METHODS, Task
from semiseg.networks import UNet
from semiseg.networks.layers import Dropout
from semiseg.ranks.group import Ranks, join, leave
from semiseg.ranks.spread import Spread
from semiseg.sections import Training
from semiseg.training.fit import locate, take_step
from semiseg.training.optimization import make_optimizers
from semiseg.training.seeds import seed_network
from semiseg.training.train import resume, train

STEPS, SIDE = 5, 32
LEARNERS = ("supervised", "cml", "mean-teacher")
LAYER: dict[str, Any] = {
    "method": "mean-teacher",
    "network": {"width": 4},
    "training": {
        "steps": 4,
        "patch": [SIDE, SIDE],
        "labeled_batch": 3,  # two processes cannot halve it
        "unlabeled_batch": 4,
        "precision": "32-true",
        "optimizer": "sgd",
        "learning_rate": 0.01,
    },
    "selection": {"validation_cases": 1, "every": 2},
}


class Holder(nn.Module):
    """One network, as a method holds it."""

    def __init__(self, network: nn.Module, ranks: Ranks) -> None:
        super().__init__()
        self.network = network
        Spread(ranks, [(network, "forward")])


def normalized(ranks: Ranks) -> dict[str, Tensor]:
    """Batch normalization of 5 rows around 1000, its gradients and what it keeps."""
    torch.manual_seed(0)
    norm = nn.BatchNorm2d(3).double()
    nn.init.normal_(norm.weight)
    holder = Holder(norm, ranks)
    x = (1000 + torch.randn(5, 3, 4, 6, dtype=torch.float64)).requires_grad_()
    y = holder.network(x)
    (y * torch.randn(y.shape, dtype=torch.float64) + y.square()).sum().backward()
    gradients = {name: parameter.grad for name, parameter in holder.network.named_parameters() if parameter.grad is not None}
    assert x.grad is not None
    ranks.average(list(gradients.values()))
    return {"value": y.detach(), "input": x.grad, **gradients, **dict(holder.network.named_buffers())}


def dropped(ranks: Ranks) -> dict[str, Tensor]:
    """Dropout of values and of channels, and the next random number."""
    holder = Holder(nn.Sequential(nn.Dropout(0.3), Dropout(0.3), nn.Dropout2d(0.5)), ranks)
    torch.manual_seed(0)
    x = torch.ones(5, 8, 4, 6).to(memory_format=torch.channels_last)
    return {"value": holder.network(x), "next": torch.rand(1)}


def learned(name: str, ranks: Ranks) -> dict[str, Tensor]:
    """The log of some steps of a method, and the weights after them."""
    seed_network(0)
    method = METHODS[name](Task((SIDE, SIDE), UNet(2, 1, 3, 4)), METHODS[name].Settings()).double().train()
    Spread(ranks, method.row_functions())
    optimizers = make_optimizers(method, Training(optimizer="sgd", learning_rate=0.01))
    fabric, log = Fabric(accelerator="cpu", devices=1), dict[str, Tensor]()
    for number in range(STEPS):
        step = locate(method.stages(STEPS), number, seed=0)
        scalars = take_step(fabric, method, optimizers, batch(number), step, ranks)
        log |= {f"{number} {key}": value.detach().double() for key, value in scalars.items()}
    return {**log, **{key: value.double() for key, value in method.state_dict().items()}}


def batch(seed: int) -> Batch:
    """4 labelled and 4 unlabelled images."""
    random = torch.Generator().manual_seed(seed)
    images = torch.rand(2, 4, 1, SIDE, SIDE, generator=random, dtype=torch.float64)
    return Batch(Labeled(images[0], (images[0, :, 0] * 3).long()), Unlabeled(images[1]))


def slices() -> Dataset:
    """6 training slices, 4 of them with labels, and a test slice."""
    made = [phantom_case(seed, (40, 40), 2) for seed in range(7)]
    cases = [Case(f"case_{k}", (image,), label if k < 4 or k == 6 else None) for k, (image, label) in enumerate(made)]
    return Dataset("slices", ("chamber",), tuple(cases[:6]), test=tuple(cases[6:]))


def stopped(folder: Path, ranks: Ranks) -> list[int]:
    """Train for as long as two calls without any time left do, and say how far each came."""
    first = train(slices(), [LAYER], folder, max_seconds=0, progress=False, ranks=ranks)
    return [first.step, resume(folder, data=slices(), max_seconds=0, progress=False, ranks=ranks).step]


def failure(folder: Path, ranks: Ranks) -> str:
    """What is raised where a folder cannot be trained into."""
    try:
        train(slices(), [LAYER], folder, progress=False, ranks=ranks)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {error}"
    return "nothing"


def main(folder: Path) -> None:
    """All of it, in each process; what process k got is written to k.pt."""
    ranks = join(torch.device("cpu"))
    found: dict[str, Any] = {"normalized": normalized(ranks), "dropped": dropped(ranks)}
    found |= {name: learned(name, ranks) for name in LEARNERS}
    found["stopped"] = stopped(folder / "run", ranks)
    found["failure"] = failure(folder / "run", ranks)
    torch.save(found, folder / f"{ranks.rank}.pt")
    leave(ranks)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
