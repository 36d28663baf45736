"""One index of an OpenSearch server: how it is asked, once it is known to be ours."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from imagesearch.adapters.opensearch.client import OpenSearchClient
from imagesearch.adapters.opensearch.mapping import check_index

# Half an answer would look like a whole one.
STRICT = {"allow_partial_search_results": "false"}


class OpenSearchAsking:
    """An index that has not been made yet is empty."""

    def __init__(self, url: str, name: str, dimension: int) -> None:
        self._name = name
        self._dimension = dimension
        self._client = OpenSearchClient(url)
        self._checked = False

    def close(self) -> None:
        """Drop the connections; the next call makes new ones."""
        self._client.close()

    def _search(self, body: Mapping[str, Any] | str, **params: str) -> list[Any]:
        self._check()
        path = f"/{self._name}/_search?{urlencode(STRICT | params)}"
        text = body if isinstance(body, str) else json.dumps(body)
        answer = self._client.read_index(lambda _: self._client.post(path, text))
        return list(answer["hits"]["hits"]) if answer else []

    def _check(self) -> None:
        """Once: an index of the same name may hold another model's vectors, or no vectors."""
        if not self._checked:
            self._checked = self._client.read(
                lambda client: check_index(client, self._name, self._dimension)
            )
