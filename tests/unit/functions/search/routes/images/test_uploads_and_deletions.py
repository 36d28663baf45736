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


def test_an_upload_request_returns_a_form(ask):
    answer = ask("POST", "/v1/images", BEACH | {"collection": "2024", "metadata": {"label": "sea"}})
    assert answer.status == 201
    started = answer.json
    assert set(started) == {"id", "key", "upload", "expires_at"}
    assert started["upload"] == {"url": "https://bucket.test/", "fields": {"key": started["key"]}}
    assert started["key"].startswith("2024/beach-")
    assert started["id"] == ref(started["key"]).id
    assert started["expires_at"] == "2026-01-01T00:15:00Z"


def test_an_uploaded_image_is_pending_and_then_indexed(ask, store, indexer):
    started = ask("POST", "/v1/images", BEACH).json
    path = f"/v1/images/{started['id']}"
    assert ask("GET", path).status == 404
    store.put(started["key"], picture("a beach"))
    pending = ask("GET", path).json
    assert (pending["status"], pending["key"]) == ("pending", started["key"])
    assert pending["url"] == f"https://pictures.test/{started['key']}"
    assert not {"indexed_at", "model", "metadata", "reason"} & set(pending)
    indexer.process([ref(started["key"])])
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
def test_an_invalid_upload_request_is_rejected_with_the_reason(ask, derived, body, code):
    answer = ask("POST", "/v1/images", body)
    assert (answer.status, answer.error) == (400, code)
    assert derived.files == {}


def test_an_upload_request_must_be_json(ask):
    assert ask("POST", "/v1/images", "{").error == "invalid_json"
    assert ask("POST", "/v1/images", b"\x89PNG", "image/png").status in (400, 415)


def test_health_reports_the_allowed_changes(ask):
    assert ask("GET", "/v1/health").json["allows"] == ["uploads", "deletions"]


def test_deletion_removes_the_object(ask, fill, store):
    fill({"a.png": picture("a")})
    answer = ask("DELETE", f"/v1/images/{ref('a.png').id}")
    assert (answer.status, answer.json) == (202, {"id": ref("a.png").id, "key": "a.png"})
    assert store.objects == {}


def test_a_missing_image_is_not_deleted(ask):
    assert ask("DELETE", "/v1/images/nobody").status == 404


def test_no_upload_starts_while_its_record_cannot_be_stored(ask, derived):
    derived.unavailable = "uploads/"
    answer = ask("POST", "/v1/images", BEACH)
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")


class TestNotAllowed:
    @pytest.fixture
    def allowed(self) -> Permissions:
        return Permissions()

    def test_uploads_and_deletions_are_rejected(self, ask, fill, store):
        fill({"a.png": picture("a")})
        upload = ask("POST", "/v1/images", BEACH)
        assert (upload.status, upload.error) == (403, "uploads_off")
        deletion = ask("DELETE", f"/v1/images/{ref('a.png').id}")
        assert (deletion.status, deletion.error) == (403, "deletions_off")
        assert "--allow-delete" in deletion.json["error"]["hint"]
        assert list(store.objects) == ["a.png"]


class TestReadOnly:
    @pytest.fixture
    def uploads(self) -> None:
        return None

    def test_no_object_is_changed(self, ask):
        assert ask("POST", "/v1/images", BEACH).error == "not_allowed"
        assert ask("DELETE", "/v1/images/x").status == 403
        assert ask("GET", "/v1/images/x").status == 404
