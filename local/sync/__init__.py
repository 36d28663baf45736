"""Synchronization of an index with a folder, in place of S3 events, SQS and the backfill.

May import the adapters, `imagesearch.bootstrap` and top modules of `local`, but not commands.
"""
