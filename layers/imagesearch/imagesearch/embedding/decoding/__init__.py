"""Decoding: image files to tensors and image details, in worker processes.

May import the domain, `duplicates` for its stored formats, numpy, Pillow and the libraries of image
formats. `preprocessing` imports no decoder, because the parent of the workers loads it.
"""
