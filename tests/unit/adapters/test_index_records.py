"""A record converts back to an equal document."""

import json
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from imagesearch.adapters.index_records import to_document, to_record
from imagesearch.domain.images import Document, ImageRef, Neighbor, Status

TEXT = st.text(max_size=20)
ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
TIMES = st.datetimes(timezones=st.none() | ZONES)
NUMBERS = st.integers(0, 2**40)
DEGREES = st.floats(-180, 180)
NAMES = st.from_regex(r"[A-Za-z0-9_=-]{1,24}", fullmatch=True)
NEIGHBOURS = st.builds(Neighbor, NAMES, NAMES, st.floats(-1, 1), st.floats(0, 1))

documents = st.builds(
    Document,
    ref=st.builds(ImageRef, TEXT, TEXT),
    status=st.sampled_from(Status),
    etag=TEXT,
    last_modified=TIMES,
    size=NUMBERS,
    indexed_at=TIMES,
    model=TEXT,
    decoder=TEXT,
    reason=st.none() | TEXT,
    sha256=st.none() | TEXT,
    content_type=st.none() | TEXT,
    width=st.none() | NUMBERS,
    height=st.none() | NUMBERS,
    taken_at=st.none() | TIMES,
    taken_offset=st.none() | TEXT,
    metadata=st.dictionaries(TEXT, TEXT),
    exif=st.dictionaries(TEXT, TEXT),
    latitude=st.none() | DEGREES,
    longitude=st.none() | DEGREES,
    phash=st.none() | TEXT,
    miniature=st.none() | TEXT,
    neighbors=st.none() | st.lists(NEIGHBOURS).map(tuple),
    thumbnail=st.none() | TEXT,
    place_read=st.none() | st.booleans(),
    truncated=st.booleans(),
    large_thumbnail=st.booleans(),
)


@given(documents)
def test_a_record_converts_to_json_without_loss(document):
    assert to_document(json.loads(json.dumps(to_record(document)))) == document


def test_a_time_keeps_its_microseconds():
    time = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
    document = Document(ImageRef("b", "a/b"), Status.INDEXED, "e", time, 1, time, "m", "d")
    assert to_record(document)["last_modified"] == "2026-03-01T12:00:00.123456+00:00"


def test_a_record_contains_id_and_collection():
    time = datetime(2026, 3, 1, tzinfo=UTC)
    document = Document(ImageRef("b", "cats/1"), Status.INDEXED, "e", time, 1, time, "m", "d")
    record = to_record(document)
    assert (record["id"], record["collection"]) == (document.id, "cats")


def test_a_record_of_an_older_release_lacks_newer_details():
    time = datetime(2026, 3, 1, tzinfo=UTC)
    document = Document(ImageRef("b", "a"), Status.INDEXED, "e", time, 1, time, "m", "d")
    newer = (
        *("exif", "latitude", "longitude", "place_read", "phash", "miniature"),
        *("thumbnail", "neighbours", "truncated"),
    )
    older = {name: value for name, value in to_record(document).items() if name not in newer}
    assert to_document(older) == document
