"""Learning from relevance feedback: query adapters are fitted, tested, stored and switched.

May import `calibration`, `search`, `domain`, the standard library and numpy only.
"""
