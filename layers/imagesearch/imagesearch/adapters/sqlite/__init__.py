"""The VectorIndex port over one SQLite file: exact k-NN in memory, for one machine.

Imports sqlite3, numpy, the domain and adapters.index_records.
"""
