"""Camera RAW: previews, development and EXIF of RAW files.

May import numpy, Pillow, rawpy (on first use), `decoding.exif` and `decoding.transforms`.
"""
