"""Models on this machine: their sources, download, test and verification, and which one is used.

May import what `local` may import.
"""
