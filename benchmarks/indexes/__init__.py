"""Benchmarks of the indexes, filled with synthetic images or labels."""
