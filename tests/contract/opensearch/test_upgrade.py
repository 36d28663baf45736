"""An index of an older version is readable, and extended before the first write."""

from datetime import UTC, datetime

import pytest

from imagesearch.adapters.opensearch.mapping import FIELDS, IndexSettings, index_body
from imagesearch.adapters.opensearch.queries import ascending
from imagesearch.domain.filters import DateRange, KeyPrefix, NumberRange, OneOf
from imagesearch.domain.images import Status
from imagesearch.domain.ports import Put, Touch, WriteStatus
from imagesearch.domain.queries import Selection, VectorQuery

KEYWORD = {"type": "keyword"}
DATE = {"type": "date", "format": "strict_date_optional_time", "ignore_malformed": True}
# The fields and the record of the first release. Do not update them.
FIRST_FIELDS = {
    **dict.fromkeys(("id", "bucket", "key", "collection", "status", "etag", "sha256"), KEYWORD),
    **dict.fromkeys(("model", "decoder", "content_type", "folders"), KEYWORD),
    **dict.fromkeys(("last_modified", "indexed_at", "taken_at", "deleted_at"), DATE),
    "reason": {"type": "keyword", "index": False, "doc_values": False},
    "size": {"type": "long"},
    "width": {"type": "integer"},
    "height": {"type": "integer"},
    "metadata": {"type": "flat_object"},
}
FIRST_RECORD = {
    "id": "yi5U25Xb7gt31XzcW6QxJXAo",
    "bucket": "bucket",
    "key": "2024/old.jpg",
    "collection": "2024",
    "folders": ["2024/"],
    "status": "indexed",
    "metadata": [{"camera": "X100"}],
    "etag": "e1",
    "size": 1234,
    "model": "test",
    "decoder": "decoder 1",
    "reason": None,
    "sha256": "5e1f",
    "content_type": "image/jpeg",
    "width": 40,
    "height": 30,
    "last_modified": "2026-03-01T12:00:00.123456+00:00",
    "indexed_at": "2026-03-01T12:00:00.123456+00:00",
    "taken_at": "2024-07-01T10:00:00+00:00",
}
# Simulate older indexes by removing some of these fields.
LATER = ("sha256", "content_type", "width", "height", "taken_at", "metadata", "folders")
NEW_YEAR = datetime(2024, 1, 1, tzinfo=UTC)


@pytest.fixture(params=[(), LATER], ids=["first release", "before it"])
def missing_fields(request):
    """The fields of the first release that the older index does not have."""
    return request.param


@pytest.fixture
def make_older(raw_opensearch, index_name, unit_vector, missing_fields):
    """Creates the index, its template and an image as an older version did."""

    def make():
        body = index_body({"space": index_name, "dimension": 4, "model": "test"}, IndexSettings())
        embedding = body["mappings"]["properties"]["embedding"]
        kept = {name: field for name, field in FIRST_FIELDS.items() if name not in missing_fields}
        body["mappings"]["properties"] = kept | {"embedding": embedding}
        template = {"index_patterns": [index_name], "priority": 500, "template": body}
        raw_opensearch.indices.put_index_template(name=index_name, body=template)
        raw_opensearch.indices.create(index=index_name)
        record = {name: value for name, value in FIRST_RECORD.items() if name not in missing_fields}
        record["embedding"] = unit_vector(0).tolist()
        raw_opensearch.index(
            index=index_name, id=record["id"], body=record, params={"refresh": "true"}
        )

    return make


@pytest.fixture
def older(make_older, opensearch_url, connect):
    make_older()
    return connect(opensearch_url)


@pytest.fixture
def new(put):
    """A write that uses every field of the record."""
    more = {"sha256": "ab", "content_type": "image/png", "width": 9, "height": 8}
    return put("2025/new.jpg", 5, taken_at=NEW_YEAR, metadata={"camera": "M6"}, **more)


def keys(hits):
    return [hit.document.ref.key for hit in hits]


def test_an_older_index_accepts_new_images_and_keeps_its_own(
    older, new, raw_opensearch, index_name, unit_vector
):
    assert [result.status for result in older.write([new])] == ["written"]
    raw_opensearch.indices.refresh(index=index_name)
    assert keys(older.search(VectorQuery(unit_vector(0), 10))) == ["2024/old.jpg", "2025/new.jpg"]
    assert older.get([new.ref.id])[new.ref.id].document == new.document
    found = older.search(VectorQuery(unit_vector(0), 10, filter=NumberRange("width", lte=9)))
    assert keys(found) == ["2025/new.jpg"]


def test_images_of_an_older_index_are_read_unchanged(older, new, missing_fields):
    older.write([new])
    document = older.get([FIRST_RECORD["id"]])[FIRST_RECORD["id"]].document
    assert (document.ref.key, document.etag, document.size) == ("2024/old.jpg", "e1", 1234)
    assert document.width == (None if missing_fields else 40)
    assert document.metadata == ({} if missing_fields else {"camera": "X100"})


def test_images_of_an_older_index_can_be_overwritten(older, document, unit_vector):
    entry = older.get([FIRST_RECORD["id"]])[FIRST_RECORD["id"]]
    fresh = document("2024/old.jpg", width=40, taken_at=NEW_YEAR)
    assert older.write([Touch(fresh, entry.version)])[0].status is WriteStatus.WRITTEN
    entry = older.get([fresh.id])[fresh.id]
    assert entry.document == fresh
    assert older.write([Put(fresh, unit_vector(3), entry.version)])[0].status is WriteStatus.WRITTEN


def test_the_first_write_adds_every_field_to_mapping_and_template(
    older, new, raw_opensearch, index_name
):
    older.write([new])
    mapping = raw_opensearch.indices.get_mapping(index=index_name)[index_name]["mappings"]
    (found,) = raw_opensearch.indices.get_index_template(name=index_name)["index_templates"]
    template = found["index_template"]["template"]["mappings"]
    assert mapping["properties"].keys() >= FIELDS.keys()
    assert template["properties"].keys() == FIELDS.keys() | {"embedding"}
    assert mapping["_meta"] == {"space": index_name, "dimension": 4, "model": "test"}


def test_a_complete_index_is_not_changed(proxy, connect, make_older, new):
    make_older()
    connect(proxy.url).write([new])
    proxy.seen.clear()
    connect(proxy.url).write([new])
    assert [sent.path for sent in proxy.seen if sent.method == "PUT"] == []


def test_a_running_writer_survives_recreation_of_the_index_by_an_older_version(
    older, new, make_older, raw_opensearch, index_name
):
    older.write([new])
    raw_opensearch.indices.delete(index=index_name)
    make_older()
    assert older.write([new])[0].status is WriteStatus.WRITTEN


FILTERS = [
    OneOf("sha256", ("5e1f",)),
    OneOf("content_type", ("image/jpeg",)),
    NumberRange("width", gte=1),
    DateRange("taken_at", gte=NEW_YEAR),
    KeyPrefix("2024/o"),
]


@pytest.mark.parametrize("filter", FILTERS, ids=str)
def test_a_search_before_the_first_write_does_not_fail(older, unit_vector, filter, missing_fields):
    """A missing field matches no filter."""
    found = older.search(VectorQuery(unit_vector(0), 10, filter=filter))
    assert keys(found) == ([] if missing_fields else ["2024/old.jpg"])


SORTABLE = [
    name
    for name, field in FIELDS.items()
    if field["type"] not in ("flat_object", "object") and field.get("doc_values", True)
]


@pytest.mark.parametrize("field", SORTABLE)
def test_an_order_by_a_missing_field_does_not_fail(older, raw_opensearch, index_name, field):
    answer = raw_opensearch.search(index=index_name, body={"sort": [ascending(field)]})
    assert answer["hits"]["total"]["value"] == 1


def test_an_older_index_is_listed_scanned_and_counted_before_the_first_write(older):
    listed = older.list_documents(Selection(Status.INDEXED), limit=9)
    assert [document.ref.key for document in listed] == ["2024/old.jpg"]
    assert [found.document for found in older.scan()] == listed
    assert older.count() == older.health().images == 1


def test_a_lookup_by_content_before_the_first_write_does_not_fail(older, missing_fields):
    """A record without a hash is not found by content."""
    found = older.by_sha256(["5e1f"], "decoder 1")
    assert [each.document.ref.key for each in found.values()] == (
        [] if missing_fields else ["2024/old.jpg"]
    )
