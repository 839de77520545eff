"""Pure functions on tensors: what the methods are made of."""
