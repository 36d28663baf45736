"""Benchmarks of indexing and search on this machine. They may import everything but the tests."""
