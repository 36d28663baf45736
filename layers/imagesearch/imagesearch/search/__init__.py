"""Search: query encoding, relevance, pagination and lists of records.

May import `domain`, the standard library and numpy only.
"""
