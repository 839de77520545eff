"""One training on several processes: each computes some rows of every batch, and all get the same weights, whatever their number."""
