"""An OpenSearch server on this machine, for tests and trials, and its installation.

May import the standard library.
"""
