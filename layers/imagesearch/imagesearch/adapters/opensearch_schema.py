"""The OpenSearch index: its mapping and settings, made before the first write, checked after."""

from collections.abc import Mapping
from typing import Any

from opensearchpy.exceptions import NotFoundError, RequestError

from imagesearch.adapters.opensearch_layout import IndexLayout
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
    **dict.fromkeys(("model", "decoder", "content_type", "folders"), _KEYWORD),
    **dict.fromkeys(("last_modified", "indexed_at", "taken_at", "deleted_at"), _DATE),
    "reason": _UNSEARCHED,
    "size": {"type": "long"},
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "metadata": {"type": "flat_object"},
}


def ensure_index(client: Any, name: str, dimension: int, model: str, layout: IndexLayout) -> None:
    """Make the index unless it is there; several may do so at once.

    The template makes it right even where a write to a deleted index brings it back: a managed
    domain allows that by default. Raises ConfigurationError for an index of another kind.
    """
    if check_index(client, name, dimension):
        return
    meta = {"space": name, "dimension": dimension, "model": model}
    template = {
        "index_patterns": [name],
        "priority": TEMPLATE_PRIORITY,
        "template": index_body(meta, layout),
    }
    client.indices.put_index_template(name=name, body=template)
    _create(client, name)
    check_index(client, name, dimension)


def check_index(client: Any, name: str, dimension: int) -> bool:
    """Whether the index is there; raises ConfigurationError for one of another kind.

    Models may share a space: their name says only who made the index.
    """
    try:
        found = client.indices.get_mapping(index=name)
    except NotFoundError:
        return False
    for index, description in found.items():
        meta = description["mappings"].get("_meta", {})
        for part, wanted in (("space", name), ("dimension", dimension)):
            if meta.get(part) != wanted:
                raise ConfigurationError(
                    f"the OpenSearch index {index} is for the {part} {meta.get(part)},"
                    f" the model needs {wanted}",
                    "set another INDEX_PREFIX, or delete the index and backfill it",
                )
    return True


def _create(client: Any, name: str) -> None:
    try:
        client.indices.create(index=name)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise


def index_body(meta: Mapping[str, Any], layout: IndexLayout) -> dict[str, Any]:
    return {
        "settings": layout.settings(),
        "mappings": {
            "dynamic": "strict",
            "_meta": dict(meta),
            "properties": {**_FIELDS, EMBEDDING: layout.vector_field(meta["dimension"])},
        },
    }
