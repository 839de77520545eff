"""Grids of trainings: methods x data x label budgets x seeds, run in worker processes, resumed, retried, put in tables."""
