"""Search of images by text or by example: the package that all functions share.

The layers in pyproject.toml say what each of its packages may import.
"""
