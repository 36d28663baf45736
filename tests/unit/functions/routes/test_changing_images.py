"""Claims about uploads and deletions over HTTP."""

import pytest

from imagesearch.uploads import Permissions, UploadService
from tests.support.fakes import START, FakeChanges, FakeDerived, picture, ref

BEACH = {"name": "beach.jpg", "content_type": "image/jpeg"}


@pytest.fixture
def allowed() -> Permissions:
    return Permissions(uploads=True, deletions=True)


@pytest.fixture
def derived() -> FakeDerived:
    return FakeDerived()


@pytest.fixture
def uploads(store, index, derived, allowed) -> UploadService:
    changes = FakeChanges(store)
    return UploadService(store, index, changes, derived, allowed, clock=lambda: START)


def test_an_upload_begins_with_a_form_to_send(ask):
    answer = ask("POST", "/v1/images", BEACH | {"collection": "2024", "metadata": {"label": "sea"}})
    assert answer.status == 201
    begun = answer.json
    assert set(begun) == {"id", "key", "upload", "expires_at"}
    assert begun["upload"] == {"url": "https://bucket.test/", "fields": {"key": begun["key"]}}
    assert begun["key"].startswith("2024/beach-")
    assert begun["id"] == ref(begun["key"]).id
    assert begun["expires_at"] == "2026-01-01T00:15:00Z"


def test_an_uploaded_image_is_pending_and_then_indexed(ask, store, indexer):
    begun = ask("POST", "/v1/images", BEACH).json
    path = f"/v1/images/{begun['id']}"
    assert ask("GET", path).status == 404
    store.put(begun["key"], picture("a beach"))
    pending = ask("GET", path).json
    assert (pending["status"], pending["key"]) == ("pending", begun["key"])
    assert pending["url"] == f"https://pictures.test/{begun['key']}"
    assert not {"indexed_at", "model", "metadata", "reason"} & set(pending)
    indexer.process([ref(begun["key"])])
    assert ask("GET", path).json["status"] == "indexed"


@pytest.mark.parametrize(
    ("body", "code"),
    [({}, "invalid_name"), ({"name": "a.jpg"}, "invalid_content_type"),
     (BEACH | {"name": ""}, "invalid_name"), (BEACH | {"name": "../a"}, "invalid_name"),
     (BEACH | {"name": 1}, "invalid_name"), (BEACH | {"name": "x" * 201}, "invalid_name"),
     (BEACH | {"content_type": "text/html"}, "invalid_content_type"),
     (BEACH | {"collection": "a/b"}, "invalid_collection"),
     (BEACH | {"collection": ""}, "invalid_collection"),
     (BEACH | {"metadata": {"A": "b"}}, "invalid_metadata"),
     (BEACH | {"metadata": ["a"]}, "invalid_metadata"),
     (BEACH | {"key": "mine.jpg"}, "unknown_field")],
)  # fmt: skip
def test_a_bad_upload_is_refused_with_what_is_wrong(ask, derived, body, code):
    answer = ask("POST", "/v1/images", body)
    assert (answer.status, answer.error) == (400, code)
    assert derived.files == {}


def test_what_is_no_json_begins_no_upload(ask):
    assert ask("POST", "/v1/images", "{").error == "invalid_json"
    assert ask("POST", "/v1/images", b"\x89PNG", "image/png").status in (400, 415)


def test_health_says_what_is_allowed(ask):
    assert ask("GET", "/v1/health").json["allows"] == ["uploads", "deletions"]


def test_deleting_takes_the_object_away(ask, fill, store):
    fill({"a.png": picture("a")})
    answer = ask("DELETE", f"/v1/images/{ref('a.png').id}")
    assert (answer.status, answer.json) == (202, {"id": ref("a.png").id, "key": "a.png"})
    assert store.objects == {}


def test_what_is_not_there_is_not_deleted(ask):
    assert ask("DELETE", "/v1/images/nobody").status == 404


def test_while_notes_cannot_be_kept_no_upload_begins(ask, derived):
    derived.away = "uploads/"
    answer = ask("POST", "/v1/images", BEACH)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


class TestNotAllowed:
    @pytest.fixture
    def allowed(self) -> Permissions:
        return Permissions()

    def test_uploads_and_deletions_are_refused(self, ask, fill, store):
        fill({"a.png": picture("a")})
        upload = ask("POST", "/v1/images", BEACH)
        assert (upload.status, upload.error) == (403, "uploads_off")
        deletion = ask("DELETE", f"/v1/images/{ref('a.png').id}")
        assert (deletion.status, deletion.error) == (403, "deletions_off")
        assert "--allow-delete" in deletion.json["error"]["hint"]
        assert list(store.objects) == ["a.png"]


class TestOnlyRead:
    @pytest.fixture
    def uploads(self) -> None:
        return None

    def test_nothing_is_changed(self, ask):
        assert ask("POST", "/v1/images", BEACH).error == "not_allowed"
        assert ask("DELETE", "/v1/images/x").status == 403
        assert ask("GET", "/v1/images/x").status == 404
