"""3D convolutions by Winograd's way and by PyTorch's, size by size: what `semiseg.networks.convolution3d` chooses by.

python benchmarks/speed/convolutions.py --threads 1
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from timing import in_turns
from torch import Tensor, nn

from semiseg.host_memory import keep_freed_memory
from semiseg.networks import winograd

PAIRS = ((8, 8), (16, 8), (16, 16), (32, 16), (32, 32), (64, 32), (64, 64), (128, 128), (256, 256))
"""Channels in and out."""
GRIDS = ((112, 112, 80), (64, 64, 48), (32, 48, 32), (32, 32, 16))
"""Of the first level; a level that is twice as wide has half of each side."""
BATCH, FIRST_WIDTHS = 2, (8, 16)


def sizes() -> list[tuple[int, int, tuple[int, ...]]]:
    """Those that a V-Net of width 8 or 16 has on these patches: (channels in, out, grid)."""
    found = {
        (inputs, outputs, tuple(side * width // outputs for side in grid))
        for grid in GRIDS
        for width in FIRST_WIDTHS
        for inputs, outputs in PAIRS
        if width <= outputs <= 16 * width
    }
    return sorted(size for size in found if min(size[2]) >= winograd.TILE)


def both_ways(inputs: int, outputs: int, grid: tuple[int, ...]) -> tuple[Callable[[], None], Callable[[], None]]:
    """A convolution forward and backward, by PyTorch and by Winograd's way."""
    layer = nn.Conv3d(inputs, outputs, 3, padding=1).to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    x = torch.randn(BATCH, inputs, *grid).to(memory_format=torch.channels_last_3d).requires_grad_()
    above = torch.randn(BATCH, outputs, *grid).to(memory_format=torch.channels_last_3d)

    def go(way: Callable[[Tensor], Tensor]) -> None:
        way(x).backward(above)  # type: ignore[no-untyped-call]

    return lambda: go(layer), lambda: go(lambda image: winograd.convolution(image, layer.weight, layer.bias))


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    keep_freed_memory()
    print(f"{torch.backends.cpu.get_cpu_capability()}, {given.threads} threads, batch of {BATCH}, forward and backward\n")
    print("| channels | grid | million multiplications | PyTorch, ms | Winograd, ms | faster |\n|---|---|---:|---:|---:|---:|")
    for inputs, outputs, grid in sizes():
        plain, ours = in_turns(*both_ways(inputs, outputs, grid), given.repeats)
        work = BATCH * 27 * inputs * outputs * torch.Size(grid).numel() / 1e6
        shape = f"{inputs} to {outputs} | {'x'.join(map(str, grid))}"
        print(f"| {shape} | {work:.0f} | {plain * 1e3:.2f} | {ours * 1e3:.2f} | {plain / ours:.2f} x |")


if __name__ == "__main__":
    main()
