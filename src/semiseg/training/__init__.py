"""From a run and its data to a trained method: the loop, its log and its checkpoints."""
