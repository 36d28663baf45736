"""Calibration: fits relevance, label temperature and duplicate weights, and tests a model.

May import `domain`, `search`, `duplicates`, `classification`, the standard library and numpy only.
"""
