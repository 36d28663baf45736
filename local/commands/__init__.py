"""The commands of `imagesearch`, one module each: options first, then the work.

May import everything; slow imports belong into function bodies, so that `--help` is fast.
"""
