"""Classification: zero-shot by labels or label sets, and by a vote of neighbors.

May import `domain`, `search`, the standard library and numpy only.
"""
