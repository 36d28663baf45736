"""Indexing: makes the index equal the bucket, and checks that it does.

May import `domain`, `duplicates`, the standard library and numpy only.
"""
