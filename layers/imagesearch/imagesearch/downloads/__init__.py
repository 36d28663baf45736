"""Downloads of model files over HTTP: resumable, verified by SHA-256, stored in S3 or on disk.

Imports adapters, embedding (manifest and model catalog) and requests.
"""
