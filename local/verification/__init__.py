"""The comparison of a folder or a bucket with its index, and the repair of the index.

May import `local.sync`, `local.aws` and top modules of `local`, but not commands.
"""
