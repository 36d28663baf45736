"""Client of the HTTP API, local or deployed, for blocking and for asynchronous programs.

It needs httpx and may import `imagesearch.domain`.
"""

from imagesearch.client.asynchronous import AsyncImageSearch
from imagesearch.client.blocking import ImageSearch
from imagesearch.client.calls import Picture
from imagesearch.client.errors import ApiError

__all__ = ["ApiError", "AsyncImageSearch", "ImageSearch", "Picture"]
