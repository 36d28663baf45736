"""Measures what searches gain from opinions: within a session, over weeks, and for labels.

May import what `benchmarks` may import.
"""
