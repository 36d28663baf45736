"""Uploads: a new key and an image id at once; deletions of the bucket."""

from datetime import timedelta

import pytest

from imagesearch.domain.errors import InvalidQuery, NotAllowed, NotFound, Unavailable
from imagesearch.domain.media_types import EXTENSIONS, EXTENSIONS_OF, likely_type, named_as_image
from imagesearch.domain.ports import UPLOAD_SECONDS
from imagesearch.domain.storage_keys import upload_key
from imagesearch.uploads import NewImage, Permissions, UploadService
from tests.support.fakes import BUCKET, START, FakeChanges, FakeDerived, picture, ref
from tests.support.outcomes import process


@pytest.fixture
def changes(store) -> FakeChanges:
    return FakeChanges(store)


@pytest.fixture
def notes() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def uploads(store, index, changes, notes) -> UploadService:
    return UploadService(store, index, changes, notes, Permissions(True, True), clock=lambda: START)


BEACH = NewImage("beach.jpg", "image/jpeg", "2024")


def test_an_upload_gets_a_unique_key_in_its_collection(uploads):
    one, other = uploads.create_upload(BEACH), uploads.create_upload(BEACH)
    assert one.ref.bucket == BUCKET
    assert one.ref.collection == "2024"
    assert one.ref.key.startswith("2024/beach-")
    assert one.ref.key.endswith(".jpg")
    assert one.ref.key != other.ref.key
    assert one.form.expires_at == START + timedelta(seconds=UPLOAD_SECONDS)


def test_the_form_is_signed_for_type_and_metadata(uploads, changes):
    started = uploads.create_upload(NewImage("a.png", "image/png", metadata={"label": "cat"}))
    assert changes.signed == [(started.ref.key, "image/png", {"label": "cat"})]
    assert "/" not in started.ref.key


@pytest.mark.parametrize(
    ("name", "content_type", "prefix", "end"),
    [("a.JPEG", "image/jpeg", "a-", ".JPEG"), ("a.png", "image/jpeg", "a.png-", ".jpg"),
     ("beach", "image/webp", "beach-", ".webp"), ("a.exe", "image/gif", "a.exe-", ".gif"),
     ("日本.jpg", "image/jpeg", "日本-", ".jpg"), ("a.b.tif", "image/tiff", "a.b-", ".tif")],
)  # fmt: skip
def test_a_key_has_the_extension_of_its_content_type(uploads, name, content_type, prefix, end):
    key = uploads.create_upload(NewImage(name, content_type)).ref.key
    assert key.startswith(prefix)
    assert key.endswith(end)


def test_every_uploadable_type_has_an_indexed_extension():
    for extensions in EXTENSIONS_OF.values():
        assert EXTENSIONS.issuperset(extensions)
        assert all(named_as_image(f"a{extension}") for extension in extensions)


@pytest.mark.parametrize(
    "name",
    ["", " ", " a.jpg", "a.jpg ", "../a.jpg", "a/b.jpg", "a\\b.jpg", ".hidden.jpg", "..", ".",
     "a\0.jpg", "a\n.jpg", "a\u202e.jpg", "\ud800.jpg", "x" * 201, "日" * 67],
)  # fmt: skip
@pytest.mark.parametrize("field", ["name", "collection"])
def test_a_name_outside_the_collection_is_rejected(uploads, notes, field, name):
    wanted = {"name": "a.jpg", "content_type": "image/jpeg", field: name}
    with pytest.raises(InvalidQuery) as raised:
        uploads.create_upload(NewImage(**wanted))
    assert raised.value.code == f"invalid_{field}"
    assert notes.files == {}


@pytest.mark.parametrize("type", ["", "image/svg+xml", "text/html", "image/jpeg; a=b", "IMAGE/PNG"])
def test_an_unsupported_content_type_is_rejected(uploads, type):
    with pytest.raises(InvalidQuery, match="content_type"):
        uploads.create_upload(NewImage("a.jpg", type))


@pytest.mark.parametrize(
    "metadata",
    [{"": "a"}, {"Label": "a"}, {"a b": "a"}, {"ä": "a"}, {"a": "ä"}, {"a": "b\nc: d"}, {"a": ""},
     {"a": " b"}, {"a": "x" * 2048}, {f"a{n}": "x" * 100 for n in range(30)}, {"-": "a"}],
)  # fmt: skip
def test_metadata_that_is_not_a_valid_header_is_rejected(uploads, metadata):
    with pytest.raises(InvalidQuery) as raised:
        uploads.create_upload(NewImage("a.jpg", "image/jpeg", metadata=metadata))
    assert raised.value.code == "invalid_metadata"


def test_metadata_up_to_the_header_limit_is_accepted(uploads):
    uploads.create_upload(NewImage("a.jpg", "image/jpeg", metadata={"a-1": "x" * 2045}))


def test_an_uploaded_image_is_pending_until_indexed(uploads, store, index, indexer):
    started = uploads.create_upload(BEACH)
    assert uploads.pending(started.ref.id) is None
    store.put(started.ref.key, picture("a beach"))
    pending = uploads.pending(started.ref.id)
    assert (pending.ref, pending.state.size) == (started.ref, len(picture("a beach")))
    process(indexer, started.ref.key)
    assert index.document(started.ref.key).id == started.ref.id


@pytest.mark.parametrize(
    "record", [b"", b"{", b"[1]", b"[" * 100_000, b"{}", b'{"key": "\\ud800"}', b'{"key": "b.png"}']
)
def test_a_damaged_record_names_no_pending_image(record, uploads, store, notes):
    started = uploads.create_upload(BEACH)
    store.put(started.ref.key, picture("a beach"))
    store.put("b.png", picture("a beach"))
    notes.put(upload_key(started.ref.id), record, "application/json")
    assert uploads.pending(started.ref.id) is None
    with pytest.raises(NotFound):
        uploads.delete(started.ref.id)


@pytest.mark.parametrize("id", ["", "nobody", "../../etc", "x" * 24, "a/b", "é" * 24])
def test_an_unknown_id_is_not_pending(uploads, id):
    assert uploads.pending(id) is None


def test_no_upload_starts_while_its_record_cannot_be_stored(uploads, notes):
    notes.unavailable = "uploads/"
    with pytest.raises(Unavailable):
        uploads.create_upload(BEACH)


def test_an_indexed_image_is_deleted_and_removed_from_the_index_by_the_event(
    uploads, store, index, indexer
):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    assert uploads.delete(ref("a.png").id) == ref("a.png")
    assert store.objects == {}
    assert process(indexer, "a.png") == {"a.png": "deleted"}
    with pytest.raises(NotFound):
        uploads.delete(ref("a.png").id)


def test_a_rejected_and_a_pending_image_can_be_deleted(uploads, store, indexer):
    store.put("a.png", picture("broken"))
    process(indexer, "a.png")
    uploads.delete(ref("a.png").id)
    started = uploads.create_upload(BEACH)
    store.put(started.ref.key, picture("a beach"))
    uploads.delete(started.ref.id)
    assert store.objects == {}


def test_a_missing_image_cannot_be_deleted(uploads):
    with pytest.raises(NotFound, match="nobody"):
        uploads.delete("nobody")


def test_disabled_changes_are_rejected(store, index, changes, notes, indexer):
    store.put("a.png", picture("a"))
    process(indexer, "a.png")
    with pytest.raises(NotAllowed, match="uploads"):
        UploadService(store, index, changes, notes, Permissions(deletions=True)).create_upload(
            BEACH
        )
    with pytest.raises(NotAllowed, match="deletions"):
        UploadService(store, index, changes, notes, Permissions(uploads=True)).delete(
            ref("a.png").id
        )
    assert (changes.signed, list(store.objects)) == ([], ["a.png"])


def test_camera_raw_based_on_tiff_is_typed_by_name_and_other_files_by_content():
    tiff, jpeg = b"II*\0" + bytes(28), b"\xff\xd8\xff" + bytes(29)
    assert likely_type(tiff, "a/b.NEF") == "image/x-nikon-nef"
    assert likely_type(tiff, "a/b.tif") == "image/tiff"
    assert likely_type(jpeg, "a/b.nef") == "image/jpeg"
    assert likely_type(b"FUJIFILMCCD-RAW 0201", "a/b") == "image/x-fuji-raf"
    assert likely_type(b"text", "a/b.nef") is None
