"""The ports over Amazon S3: images, bucket changes, derived files and model folders.

Imports boto3 and the domain.
"""
