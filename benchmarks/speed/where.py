"""Where the time of a training step goes, from the profiler, and how near its convolutions come to what the machine can do.

python benchmarks/speed/where.py DATA --picture docs/assets/step.svg
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import scans
import torch
from step import Ours
from timing import seconds
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from semiseg.host_memory import keep_freed_memory
from semiseg.training.job import Job

KINDS = {
    "convolutions, backward": ("convolution_backward", "slow_conv2d_backward", "slow_conv_transpose3d"),
    "convolutions, forward": ("convolution", "slow_conv"),
    "their transforms (Winograd)": ("bmm", "_Convolution"),
    "batch normalization": ("batch_norm",),
    "activations, dropout": ("relu", "threshold", "bernoulli", "random_", "aten::ge", "clamp_min", "feature_dropout"),
    "sampling up and down": ("upsample", "max_pool"),
    "copies, concatenation": ("copy_", "cat", "clone", "fill_", "zero_"),
}
WARM = 5
"""Steps until no memory is asked of the system any more."""
REST = "all else: losses, pseudo-labels, optimiser"
NETWORK = tuple(KINDS)[:-1]


def kind_of(operation: str) -> str:
    """The first kind that an operator's name speaks of."""
    return next((kind for kind, words in KINDS.items() if any(word in operation for word in words)), REST)


def shares(job: Job) -> tuple[dict[str, float], float]:
    """Milliseconds of each kind in a step of which the memory is at hand, and of the making of a batch."""
    ours, loader = Ours(job), scans.loader(job)
    for number in range(WARM):
        ours.step(loader(number), number)
    loading = statistics.median(seconds(lambda number=number: loader(number))[0] for number in range(10, 20))
    batch, found = loader(WARM), dict.fromkeys([*KINDS, REST], 0.0)
    with profile(activities=[ProfilerActivity.CPU]) as record:
        whole, _ = seconds(lambda: ours.step(batch, WARM))
    for event in record.key_averages():
        found[kind_of(event.key)] += event.self_cpu_time_total / 1e3
    found[REST] += max(whole * 1e3 - sum(found.values()), 0)  # what the profiler does not see: NumPy
    return found, loading * 1e3


def flops(job: Job) -> float:
    """Of the convolutions of a step, in units of 10^9."""
    ours, batch = Ours(job), scans.loader(job)(0)
    with FlopCounterMode(display=False) as counter:
        ours.step(batch, 0)
    counts = counter.get_flop_counts()["Global"]
    return sum(count for operation, count in counts.items() if "convolution" in str(operation)) / 1e9


def peaks() -> tuple[float, float]:
    """10^9 operations a second of a matrix product, and GB a second of a copy, read and written."""
    matrix, line = torch.randn(2048, 2048), torch.randn(2**25)
    product = min(seconds(lambda: matrix @ matrix)[0] for _ in range(10))
    other = torch.empty_like(line)
    copy = min(seconds(lambda: other.copy_(line))[0] for _ in range(10))
    return 2 * 2.048**3 / product, 2 * line.nbytes / 1e9 / copy


def draw(found: dict[str, dict[str, float]], path: Path) -> None:
    """One bar a step, its parts in percent."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 1.2 + 0.6 * len(found)), layout="constrained")
    axes = figure.subplots()
    left = dict.fromkeys(found, 0.0)
    for kind in next(iter(found.values())):
        percent = [100 * part[kind] / sum(part.values()) for part in found.values()]
        axes.barh(list(found), percent, left=list(left.values()), label=kind)
        left = {name: before + more for (name, before), more in zip(left.items(), percent, strict=True)}
    axes.set(xlim=(0, 100), xlabel="% of a training step")
    axes.invert_yaxis()
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None)


def main() -> None:
    """Print the shares of both steps as Markdown, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--picture", type=Path)
    given = parser.parse_args()
    keep_freed_memory()
    jobs = {
        "3D V-Net, 64x64x48, 4+4": scans.la_job(given.data, (64, 64, 48)),
        "2D U-Net, 128x128, 12+12": scans.acdc_job(given.data, (128, 128)),
    }
    found = {}
    arithmetic, bandwidth = peaks()
    print(f"matrix product {arithmetic:.0f} GFLOP/s, copy {bandwidth:.1f} GB/s, {torch.get_num_threads()} threads\n")
    for name, job in jobs.items():
        found[name], loading = shares(job)
        whole, work = sum(found[name].values()), flops(job)
        convolutions = sum(found[name][kind] for kind in KINDS if kind.startswith("convolutions"))
        reached = work / convolutions * 1e3 / arithmetic
        print(f"{name}: {whole / 1e3:.2f} s, {work:.0f} GFLOP in convolutions, at {reached:.0%} of the product's rate")
        print(
            f"not network arithmetic {1 - sum(found[name][kind] for kind in NETWORK) / whole:.1%}, making the batch {loading / whole:.2%}\n"
        )
        print("| part | share |\n|---|---|")
        print("\n".join(f"| {kind} | {part / whole:.1%} |" for kind, part in found[name].items()), end="\n\n")
    if given.picture:
        draw(found, given.picture)


if __name__ == "__main__":
    main()
