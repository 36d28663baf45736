"""The OpenSearch index: its mapping and settings, made before the first write, checked after."""

from collections.abc import Mapping
from typing import Any

from opensearchpy.exceptions import NotFoundError, RequestError

from imagesearch.errors import ConfigurationError

EMBEDDING = "embedding"
# Above the templates that a cluster may have for all of its indexes.
TEMPLATE_PRIORITY = 500

_KEYWORD = {"type": "keyword"}
_UNSEARCHED = {"type": "keyword", "index": False, "doc_values": False}
# What cannot be read as a date stays in the record and is only not found by date.
_DATE = {"type": "date", "format": "strict_date_optional_time", "ignore_malformed": True}
_FIELDS = {
    **dict.fromkeys(("id", "bucket", "key", "collection", "status", "etag", "sha256"), _KEYWORD),
    **dict.fromkeys(("model", "decoder", "content_type"), _KEYWORD),
    **dict.fromkeys(("last_modified", "indexed_at", "taken_at", "deleted_at"), _DATE),
    "reason": _UNSEARCHED,
    "size": {"type": "long"},
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "metadata": {"type": "flat_object"},
}


def ensure_index(
    client: Any, name: str, dimension: int, *, model: str, refresh_interval: str
) -> None:
    """Make the index unless it is there; several may do so at once.

    The template makes it right even where a write to a deleted index brings it back: a managed
    domain allows that by default. Raises ConfigurationError for an index of another kind.
    """
    meta = {"space": name, "dimension": dimension, "model": model}
    try:
        found = client.indices.get_mapping(index=name)
    except NotFoundError:
        template = {
            "index_patterns": [name],
            "priority": TEMPLATE_PRIORITY,
            "template": _index(meta, refresh_interval),
        }
        client.indices.put_index_template(name=name, body=template)
        _create(client, name)
        found = client.indices.get_mapping(index=name)
    for index, description in found.items():
        _check(index, description["mappings"].get("_meta", {}), meta)


def _create(client: Any, name: str) -> None:
    try:
        client.indices.create(index=name)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise


def _index(meta: Mapping[str, Any], refresh_interval: str) -> dict[str, Any]:
    """One shard holds some millions of images; the engine is named, as the default is another."""
    embedding = {
        "type": "knn_vector",
        "dimension": meta["dimension"],
        "space_type": "cosinesimil",
        "method": {"name": "hnsw", "engine": "lucene"},
    }
    return {
        "settings": {
            "index.knn": True,
            "index.number_of_shards": 1,
            "index.auto_expand_replicas": "0-1",
            "index.refresh_interval": refresh_interval,
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": dict(meta),
            "properties": {**_FIELDS, EMBEDDING: embedding},
        },
    }


def _check(index: str, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Models may share a space: their name says only who made the index."""
    for part in ("space", "dimension"):
        if found.get(part) != wanted[part]:
            raise ConfigurationError(
                f"the OpenSearch index {index} is for the {part} {found.get(part)},"
                f" the model needs {wanted[part]}",
                "set another INDEX_PREFIX, or delete the index and backfill it",
            )
