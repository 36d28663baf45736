"""The HTTP server in place of API Gateway, presigned URLs and presigned POSTs.

May import the adapters, `imagesearch.bootstrap` and top modules of `local`, but not commands.
"""
