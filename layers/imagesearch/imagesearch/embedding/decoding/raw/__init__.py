"""Camera RAW: previews, development and EXIF of RAW files.

May import numpy, Pillow, rawpy (on first use) and the transforms of `decoding`.
"""
