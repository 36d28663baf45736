"""The smoke test of a deployment: its images, its buckets, its checks and their results.

May import the client, the calibration photos and `local`; needs httpx, boto3 and Pillow.
"""
