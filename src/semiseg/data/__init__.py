"""From files to batches: formats, data sets, preparation, sampling, the bank of volumes and augmentation."""
