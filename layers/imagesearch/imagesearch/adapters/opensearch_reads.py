"""How an index in OpenSearch is read by ids and by vectors: records, embeddings, k-NN searches."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from imagesearch.adapters.opensearch.mapping import EMBEDDING
from imagesearch.adapters.opensearch.queries import cosine, nearest, of_content, same_copy
from imagesearch.adapters.opensearch.records import WITHOUT_EMBEDDING, document, embedding, stored
from imagesearch.adapters.opensearch_asking import STRICT
from imagesearch.adapters.opensearch_lists import OpenSearchLists
from imagesearch.adapters.unit_vectors import query_vector
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import Embedding, Hit, Scanned, Status, VectorQuery
from imagesearch.writes import Stored

LONGEST_ID = 512
HASHES_AT_A_TIME = 32
NO_INDEX = "index_not_found_exception"


class OpenSearchReads(OpenSearchLists):
    """Pages of searches end at 1,000 hits."""

    def get(self, ids: Sequence[str]) -> Mapping[str, Stored]:
        found = self._multi_get(ids, WITHOUT_EMBEDDING)
        return {entry["_id"]: stored(entry) for entry in found}

    def embeddings(self, ids: Sequence[str]) -> Mapping[str, Embedding]:
        entries = self._multi_get(ids, {"includes": ["status", EMBEDDING]})
        found = {
            entry["_id"]: embedding(entry["_source"])
            for entry in entries
            if entry["_source"]["status"] == Status.INDEXED
        }
        return {id: vector for id, vector in found.items() if vector is not None}

    def by_sha256(self, hashes: Sequence[str], decoder: str) -> Mapping[str, Scanned]:
        """A search for each hash, many in one request: many copies cost no more than one."""
        wanted = list(dict.fromkeys(hashes))
        found: dict[str, Scanned] = {}
        for start in range(0, len(wanted), HASHES_AT_A_TIME):
            found |= self._of_content(wanted[start : start + HASHES_AT_A_TIME], decoder)
        return found

    def _of_content(self, wanted: Sequence[str], decoder: str) -> dict[str, Scanned]:
        answers = self._multi_search(
            [({}, json.dumps(of_content(each, decoder))) for each in wanted]
        )
        found: dict[str, Scanned] = {}
        for sha256, hits in zip(wanted, answers, strict=True):
            for source in (hit["_source"] for hit in hits):
                if (vector := embedding(source)) is not None:
                    found[sha256] = Scanned(document(source), vector)
        return found

    def search(self, query: VectorQuery) -> list[Hit]:
        vector = query_vector(query.embedding, self._dimension)
        return _hits(self._search(nearest(query, vector), preference=same_copy(vector)))

    def search_many(self, queries: Sequence[VectorQuery]) -> list[list[Hit]]:
        vectors = [query_vector(query.embedding, self._dimension) for query in queries]
        searches = [
            ({"preference": same_copy(vector)}, nearest(query, vector))
            for query, vector in zip(queries, vectors, strict=True)
        ]
        return [_hits(found) for found in self._multi_search(searches)]

    def _multi_search(self, searches: Sequence[tuple[Mapping[str, str], str]]) -> list[list[Any]]:
        """The hits of each search, given by its header and body; all are asked at once."""
        if not searches:
            return []
        body = "".join(f"{json.dumps({**STRICT, **header})}\n{text}\n" for header, text in searches)
        self._check()
        answer = self._client.read(lambda client: client.msearch(body=body, index=self._name))
        return [self._found(response) for response in answer["responses"]]

    def _multi_get(self, ids: Sequence[str], source: Mapping[str, Any]) -> list[Any]:
        possible = [id for id in ids if id.isascii() and 0 < len(id) <= LONGEST_ID]
        if not possible:
            return []
        body = {"docs": [{"_id": id, "_source": source} for id in possible]}
        answer = self._client.read_index(lambda client: client.mget(index=self._name, body=body))
        entries = answer["docs"] if answer else []
        for entry in entries:
            if (error := entry.get("error", {}).get("type", NO_INDEX)) != NO_INDEX:
                raise Unavailable(f"OpenSearch cannot read {entry['_id']}: {error}", "try again")
        return [entry for entry in entries if entry.get("found")]

    def _found(self, response: Mapping[str, Any]) -> list[Any]:
        """The hits of one search among several; some may fail where others do not."""
        error = response.get("error", {})
        if error.get("type", NO_INDEX) != NO_INDEX:
            raise Unavailable(f"OpenSearch cannot search: {error.get('reason')}", "try again")
        return [] if error else list(response["hits"]["hits"])


def _hits(found: Sequence[Mapping[str, Any]]) -> list[Hit]:
    return [Hit(document(hit["_source"]), cosine(hit["_score"])) for hit in found]
