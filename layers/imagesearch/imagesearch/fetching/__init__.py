"""Brings the files of a known model to where they are needed."""
