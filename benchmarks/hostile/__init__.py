"""Benchmarks of damaged files and of costly requests: the time and the memory that they take."""
