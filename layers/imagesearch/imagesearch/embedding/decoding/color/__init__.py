"""Color management: the declared colors of a file and their conversion to sRGB.

May import numpy, Pillow and `decoding.iso_media`.
"""
