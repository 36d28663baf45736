"""Fetches the images that queries name by their address: all at once, each for itself."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from imagesearch.domain.errors import ImageSearchError, InvalidQuery, NotAllowed
from imagesearch.domain.ports import WebImages
from imagesearch.domain.queries import Part, UrlQuery

# As many bytes as an image may have that is posted itself.
MOST_BYTES = 4_500_000
MAX_URLS = 4
HINT = "the operator can switch it on: --allow-urls, or AllowUrls of the stack"


def fetched(
    wanted: Sequence[UrlQuery], web: WebImages | None
) -> dict[Part, bytes | ImageSearchError]:
    """The bytes of each image, or why there are none. It takes as long as the slowest."""
    if len(wanted) > MAX_URLS:
        few = InvalidQuery(
            f"there are {len(wanted)} addresses in the request",
            f"send up to {MAX_URLS} at a time",
            "too_many_urls",
        )
        return dict.fromkeys(wanted, few)
    if not wanted:
        return {}
    with ThreadPoolExecutor(len(wanted)) as threads:
        return dict(zip(wanted, threads.map(lambda one: _fetch(one.url, web), wanted), strict=True))


def _fetch(url: str, web: WebImages | None) -> bytes | ImageSearchError:
    if web is None:
        return urls_off()
    try:
        return web.fetch(url, MOST_BYTES)
    except ImageSearchError as error:
        return error


def urls_off() -> NotAllowed:
    return NotAllowed("images are not fetched from the web here", HINT, "urls_off")
