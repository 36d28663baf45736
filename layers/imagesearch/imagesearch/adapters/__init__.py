"""Implementations of the ports in imagesearch.domain: AWS, OpenSearch, SQLite, files and HTTP.

Imports the domain, the use cases that a port belongs to, and client libraries; nothing else.
"""
