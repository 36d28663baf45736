"""Duplicates: links between near-duplicates, their groups, and the check of one image.

May import `domain`, `search`, the standard library and numpy only.
"""
