"""The user's AWS account: clients, the settings of a deployed system, and S3 Inventory.

May import what `local` may import, and boto3 inside functions.
"""
