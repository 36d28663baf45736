"""The seed of the random weights that all contestants share."""

SEED = 0
