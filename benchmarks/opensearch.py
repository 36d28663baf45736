"""What OpenSearch costs and gives, on a real server that is started for it and stopped after."""

from collections.abc import Iterator

from opensearchpy import OpenSearch

from benchmarks import opensearch_search, opensearch_writing
from benchmarks.report import Row
from local.opensearch_server import VERSION, running_server

TITLE = f"OpenSearch {VERSION}, 512 MB heap, one node"
LONGEST_MERGE_SECONDS = 900


def measure() -> Iterator[Row]:
    """Rows as they are measured; some minutes in all."""
    with running_server() as url:
        raw = OpenSearch(url, timeout=LONGEST_MERGE_SECONDS, max_retries=0)
        yield from opensearch_writing.measure(url, raw)
        yield from opensearch_search.measure(url, raw)
        raw.close()
