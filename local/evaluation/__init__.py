"""Facts and figures of models on this machine: the catalog's facts, latencies, and comparisons.

May import what `local` may import.
"""
