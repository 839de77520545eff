"""All randomness of a training as a pure function of (seed, step): nothing needs to be saved to resume exactly."""

from __future__ import annotations

import numpy as np
import torch


def derived_seed(*key: int) -> int:
    """A 63-bit seed out of several numbers, well mixed (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))


def seed_network(seed: int) -> None:
    """Before the networks are made: their initial weights depend on `seed` alone."""
    torch.manual_seed(derived_seed(seed, 0))


def seed_step(seed: int, step: int) -> torch.Generator:
    """Seed dropout (torch's own state) and return the generator of the method's own draws; of several processes, all have the same."""
    torch.manual_seed(derived_seed(seed, 1, step, 0))
    return torch.Generator().manual_seed(derived_seed(seed, 2, step))
