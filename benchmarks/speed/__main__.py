"""How much faster semiseg is than the released scripts' way of doing the same. Prints a Markdown table.

python benchmarks/speed DATA                   DATA holds LA/ and ACDC/ as published
python benchmarks/speed DATA --parts metrics components --repeats 5 --json
python benchmarks/speed DATA --device cuda     with the steps of published size
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import parts
import torch
from curves import curves
from step import PUBLISHED, STEPS
from timing import Row, Setting

from semiseg.devices import DEVICES, computes_bfloat16, pick_device

PARTS: dict[str, Callable[[Setting], Iterator[Row]]] = {
    "metrics": parts.metrics,
    "components": parts.components,
    "sampling": parts.sampling,
    "windows": parts.windows,
    **STEPS,
    "curves": curves,
    **PUBLISHED,
}


def machine(device: torch.device) -> str:
    """Processor, threads, GPU, PyTorch, precision."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.processor())
    capability = torch.backends.cpu.get_cpu_capability()
    card = f"{torch.cuda.get_device_name(device)}; " if device.type == "cuda" else ""
    precision = "bfloat16 where it gains" if computes_bfloat16(device) else "float32"
    return f"{card}{name}, {torch.get_num_threads()} threads, {capability}; PyTorch {torch.__version__}, {precision}"


def table(rows: list[Row]) -> str:
    """The rows as Markdown."""
    lines = ["| part | plain | semiseg | faster | asked for | largest difference | |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        numbers = f"{row.plain:.3g} {row.unit} | {row.ours:.3g} {row.unit} | {row.ratio:.1f} x"
        lines.append(f"| {row.part} | {numbers} | {f'{row.target:g} x' if row.target else ''} | {row.difference} | {row.note} |")
    return "\n".join(lines)


def main() -> None:
    """Measure what was asked for, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--parts", nargs="+", choices=[*PARTS], help="default: all; on a CPU all but those of published size")
    parser.add_argument("--device", choices=DEVICES, default="cpu")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    device, rows = pick_device(given.device), []
    for part in given.parts or [part for part in PARTS if part not in PUBLISHED or device.type != "cpu"]:
        print(f"{part} ...", file=sys.stderr)
        rows += PARTS[part](Setting(given.data, given.repeats, device))
    print(
        json.dumps({"machine": machine(device), "rows": [asdict(row) for row in rows]}, indent=2)
        if given.json
        else f"{machine(device)}\n\n{table(rows)}"
    )


if __name__ == "__main__":
    main()
