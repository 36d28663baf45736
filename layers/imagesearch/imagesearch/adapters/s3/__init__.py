"""The ports over Amazon S3: images, inventories, bucket changes, derived files and models.

Imports boto3 and the domain.
"""
