"""The model of a served folder: its selection, its installation, and its change during searches.

May import `local.sync`, `local.web` and top modules of `local`, but not commands.
"""
