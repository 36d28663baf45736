"""The mapping and settings of an OpenSearch index, created or extended before the first write."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opensearchpy.exceptions import NotFoundError, RequestError

from imagesearch.domain.errors import ConfigurationError

EMBEDDING = "embedding"
# Higher than templates that a cluster may have for all indexes.
TEMPLATE_PRIORITY = 500
# Without thresholds, an index writes no slow logs. A domain publishes them only if it is set up to.
SLOW_LOGS: Mapping[str, str] = {
    "index.search.slowlog.threshold.query.warn": "2s",
    "index.search.slowlog.threshold.fetch.warn": "1s",
    "index.indexing.slowlog.threshold.index.warn": "2s",
}

_KEYWORD = {"type": "keyword"}
_UNSEARCHED = {"type": "keyword", "index": False, "doc_values": False}
_FLAG = {"type": "boolean", "index": False, "doc_values": False}
# A malformed date stays in the record and cannot be searched by date.
_DATE = {"type": "date", "format": "strict_date_optional_time", "ignore_malformed": True}
# The mapping of an existing field cannot be changed: another mapping needs another field name.
# Records written before a field was added lack it.
FIELDS: Mapping[str, Mapping[str, Any]] = {
    **dict.fromkeys(("id", "bucket", "key", "collection", "status", "etag", "sha256"), _KEYWORD),
    **dict.fromkeys(("model", "decoder", "content_type", "phash"), _KEYWORD),
    # Of `key`, `metadata`, `width` and `height`: to be counted.
    **dict.fromkeys(("folders", "camera", "orientation"), _KEYWORD),
    "pixels": {"type": "long"},
    **dict.fromkeys(("last_modified", "indexed_at", "taken_at", "deleted_at"), _DATE),
    **dict.fromkeys(("reason", "thumbnail", "miniature", "contrasts", "taken_offset"), _UNSEARCHED),
    # Read by thousands from doc values, and never searched by value.
    "neighbours": {"type": "keyword", "index": False},
    "size": {"type": "long"},
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "latitude": {"type": "double"},
    "longitude": {"type": "double"},
    **dict.fromkeys(("place_read", "large_thumbnail"), _FLAG),
    "metadata": {"type": "flat_object"},
    "exif": {"type": "object", "enabled": False},
    "truncated": {"type": "boolean"},
}


@dataclass(frozen=True, slots=True)
class IndexSettings:
    """Settings of an index, which apply when it is created.

    Without `replicas` there is one as soon as the cluster has two nodes. With a `compression` above
    1x the full vectors stay on disk and rescore the nearest candidates. With `exact` the engine
    builds no graph and compares all vectors.
    """

    engine: str = "lucene"
    compression: str = "1x"
    shards: int = 1
    replicas: int | None = None
    refresh_interval: str = "1s"
    exact: bool = False

    @property
    def refresh_seconds(self) -> float:
        """The delay until writes are searchable."""
        number, thousandths = self.refresh_interval.rstrip("ms"), self.refresh_interval[-2:] == "ms"
        return float(number) / (1000 if thousandths else 1)

    def to_dict(self) -> dict[str, Any]:
        """The `settings` of the request that creates the index."""
        settings = {
            "index.knn": True,
            "index.number_of_shards": self.shards,
            "index.refresh_interval": self.refresh_interval,
            **SLOW_LOGS,
        }
        if self.replicas is None:
            settings["index.auto_expand_replicas"] = "0-1"
        else:
            settings["index.number_of_replicas"] = self.replicas
        return settings | ({"index.knn.advanced.approximate_threshold": -1} if self.exact else {})

    def vector_field(self, dimension: int) -> dict[str, Any]:
        """The engine is explicit: the default of OpenSearch has changed between versions."""
        compressed = {"mode": "on_disk", "compression_level": self.compression}
        return {
            "type": "knn_vector",
            "dimension": dimension,
            "space_type": "cosinesimil",
            "method": {"name": "hnsw", "engine": self.engine},
            **({} if self.compression == "1x" else compressed),
        }


def ensure_index(
    client: Any, name: str, dimension: int, model: str, settings: IndexSettings
) -> None:
    """Create the index, or add missing fields to it; safe to call concurrently.

    The template applies where a write recreates a deleted index, which managed domains allow by
    default. Raises ConfigurationError for an index of another space or dimension.
    """
    body = index_body({"space": name, "dimension": dimension, "model": model}, settings)
    fields = body["mappings"]["properties"]
    existing = _mapped_fields(client, name, dimension)
    if existing is not None and fields.keys() <= existing:
        return
    template = {"index_patterns": [name], "priority": TEMPLATE_PRIORITY, "template": body}
    client.indices.put_index_template(name=name, body=template)
    if existing is None:
        _create(client, name)
        existing = _mapped_fields(client, name, dimension) or set()
    if missing := {field: fields[field] for field in fields.keys() - existing}:
        client.indices.put_mapping(index=name, body={"properties": missing})


def check_index(client: Any, name: str, dimension: int) -> bool:
    """True if the index exists; raises ConfigurationError for another space or dimension."""
    return _mapped_fields(client, name, dimension) is not None


def _mapped_fields(client: Any, name: str, dimension: int) -> set[str] | None:
    try:
        response = client.indices.get_mapping(index=name)
    except NotFoundError:
        return None
    mappings = {index: description["mappings"] for index, description in response.items()}
    for index, mapping in mappings.items():
        _check_meta(index, mapping.get("_meta", {}), {"space": name, "dimension": dimension})
    return {field for mapping in mappings.values() for field in mapping.get("properties", {})}


def _check_meta(index: str, meta: Mapping[str, Any], expected: Mapping[str, Any]) -> None:
    """The model is not compared: models may share a space."""
    for name, value in expected.items():
        if meta.get(name) != value:
            raise ConfigurationError(
                f"the OpenSearch index {index} is for the {name} {meta.get(name)},"
                f" the model needs {value}",
                "set another INDEX_PREFIX, or delete the index and run a backfill",
            )


def _create(client: Any, name: str) -> None:
    try:
        client.indices.create(index=name)
    except RequestError as error:
        if error.error != "resource_already_exists_exception":
            raise


def index_body(meta: Mapping[str, Any], settings: IndexSettings) -> dict[str, Any]:
    return {
        "settings": settings.to_dict(),
        "mappings": {
            "dynamic": "strict",
            "_meta": dict(meta),
            "properties": {**FIELDS, EMBEDDING: settings.vector_field(meta["dimension"])},
        },
    }
