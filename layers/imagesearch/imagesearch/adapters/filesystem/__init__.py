"""The ports over a folder of this machine: images, bucket changes and derived files.

Imports the domain and the standard library; pathspec only where a pattern is compiled.
"""
