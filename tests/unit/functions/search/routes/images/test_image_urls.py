"""Claims about images given by URL in a request."""

import re

import pytest

from imagesearch.domain.errors import InvalidQuery, PayloadTooLarge, UnreadableImage
from imagesearch.search.query_encoder import MAX_URLS
from imagesearch.uploads import Permissions, UploadService
from tests.support.fakes import FakeChanges, FakeDerived, FakeWeb, picture, ref

TOM, REX = "https://pets.test/tom.png", "https://pets.test/rex.png"


@pytest.fixture
def web() -> FakeWeb:
    return FakeWeb({TOM: picture("a cat"), REX: picture("a dog")})


@pytest.fixture
def pets(fill):
    fill({"tom.png": picture("a cat"), "rex.png": picture("a dog")}, label="pet")


def first(answer) -> str:
    assert answer.status == 200, answer.body
    return answer.json["hits"][0]["key"]


def test_an_image_url_finds_images(ask, pets):
    assert first(ask("POST", "/v1/search", {"query": {"url": REX}})) == "rex.png"


def test_an_image_url_can_be_a_query_term(ask, pets):
    terms = [{"url": REX}, {"id": ref("tom.png").id, "weight": -1}]
    assert first(ask("POST", "/v1/search", {"query": {"terms": terms}})) == "rex.png"


def test_an_image_url_is_classified(ask, pets):
    answer = ask("POST", "/v1/classify", {"url": TOM, "labels": ["a dog", "a cat"]})
    assert answer.json["labels"][0]["label"] == "a cat"
    vote = ask("POST", "/v1/classify", {"url": TOM})
    assert vote.json["labels"][0]["label"] == "pet"


def test_all_urls_of_a_request_are_fetched_once_and_embedded_in_one_batch(ask, pets, web, images):
    images.batches.clear()
    searches = [{"query": {"url": TOM}}, {"query": {"url": REX}}, {"query": {"url": TOM}}]
    answer = ask("POST", "/v1/search/batch", {"searches": searches})
    assert [first_of["hits"][0]["key"] for first_of in answer.json["results"]] == [
        *("tom.png", "rex.png", "tom.png")
    ]
    assert sorted(web.requested) == [REX, TOM]
    assert len(images.batches) == 1


def test_a_cursor_is_valid_for_its_own_url_only(ask, pets):
    cursor = ask("POST", "/v1/search", {"query": {"url": TOM}, "limit": 1}).json["cursor"]
    other = ask("POST", "/v1/search", {"query": {"url": REX}, "limit": 1, "cursor": cursor})
    assert other.error == "invalid_cursor"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InvalidQuery("url: no", "hint", "url_unreachable"), 400),
        (InvalidQuery("url: no", "hint", "invalid_url"), 400),
        (PayloadTooLarge("url: no", "hint"), 413),
        (UnreadableImage("url: no", "hint"), 422),
    ],
)
def test_a_failed_url_is_reported_and_other_searches_of_the_batch_succeed(
    ask, pets, web, error, status
):
    web.images[REX] = error
    answer = ask("POST", "/v1/search", {"query": {"url": REX}})
    assert (answer.status, answer.error) == (status, error.code)
    assert ask("POST", "/v1/classify", {"url": REX, "labels": ["a"]}).status == status
    searches = [{"query": {"url": REX}}, {"query": {"url": TOM}}]
    failed, found = ask("POST", "/v1/search/batch", {"searches": searches}).json["results"]
    assert failed["error"]["code"] == error.code
    assert found["hits"][0]["key"] == "tom.png"


def test_the_number_of_urls_is_limited(ask, pets, web):
    urls = [f"https://pets.test/{number}" for number in range(MAX_URLS + 1)]
    web.images |= {url: picture("a cat") for url in urls}
    few = [{"url": url} for url in urls[:MAX_URLS]]
    assert ask("POST", "/v1/search", {"query": {"terms": few}}).status == 200
    web.requested.clear()
    answer = ask("POST", "/v1/search", {"query": {"terms": [*few, {"url": urls[-1]}]}})
    assert (answer.status, answer.error) == (400, "too_many_urls")
    assert web.requested == []


@pytest.mark.parametrize(
    "query", [{"url": ""}, {"url": 7}, {"url": "x" * 2_049}, {"url": TOM, "text": "a"}]
)
def test_an_invalid_body_is_rejected(ask, query):
    answer = ask("POST", "/v1/search", {"query": query})
    assert answer.status == 400
    assert answer.error in ("invalid_url", "invalid_query")


def test_urls_are_not_logged(ask, pets, web, logs):
    web.images["https://secret.test/"] = InvalidQuery("url: no", "hint", "url_unreachable")
    ask("POST", "/v1/search", {"query": {"url": "https://secret.test/"}})
    assert "secret" not in logs


class TestUploads:
    """Uploads by URL to the bucket."""

    @pytest.fixture
    def derived(self) -> FakeDerived:
        return FakeDerived()

    @pytest.fixture
    def allowed(self) -> Permissions:
        return Permissions(uploads=True)

    @pytest.fixture
    def uploads(self, store, index, derived, allowed, web) -> UploadService:
        return UploadService(store, index, FakeChanges(store), derived, allowed, web=web)

    def test_an_image_from_a_url_is_stored_and_pending(self, ask, store):
        body = {"url": TOM, "collection": "pets", "metadata": {"label": "cat"}}
        answer = ask("POST", "/v1/images", body)
        assert answer.status == 201
        assert set(answer.json) == {"id", "key"}
        [(key, (data, state))] = store.objects.items()
        assert key == answer.json["key"]
        assert re.fullmatch(r"pets/tom-[0-9a-f]{12}\.png", key)
        assert (data, state.metadata) == (picture("a cat"), {"label": "cat"})
        assert ask("GET", f"/v1/images/{answer.json['id']}").json["status"] == "pending"

    @pytest.mark.parametrize(
        ("path", "stem"),
        [
            ("x.jpg", "x.jpg"),
            ("a%2F..%2Fb%20c.png", "bc"),
            ("", "image"),
            ("%00%01", "image"),
            (".hidden", "hidden"),
            ("x" * 900, "x" * 50),
            ("%F0%9F%90%88.png", "png"),
        ],
    )
    def test_the_key_contains_only_plain_characters_of_the_url(self, ask, store, web, path, stem):
        url = f"https://pets.test/{path}"
        web.images[url] = picture("a cat")
        assert ask("POST", "/v1/images", {"url": url}).status == 201
        [key] = store.objects
        assert re.fullmatch(re.escape(stem) + r"-[0-9a-f]{12}\.png", key)

    @pytest.mark.parametrize(
        ("more", "code"),
        [
            ({"content_type": "image/png"}, "invalid_content_type"),
            ({"name": "../x"}, "invalid_name"),
            ({"collection": "../x"}, "invalid_collection"),
            ({"metadata": {"ä": "b"}}, "invalid_metadata"),
            ({"text": "x"}, "unknown_field"),
        ],
    )
    def test_an_invalid_body_is_rejected(self, ask, store, more, code):
        answer = ask("POST", "/v1/images", {"url": TOM, **more})
        assert (answer.status, answer.error) == (400, code)
        assert store.objects == {}

    def test_a_url_that_is_not_an_image_is_422_and_nothing_is_stored(self, ask, store, web):
        web.images[TOM] = UnreadableImage("url: no", "hint")
        assert ask("POST", "/v1/images", {"url": TOM}).status == 422
        assert store.objects == {}

    class TestWithoutUploads:
        @pytest.fixture
        def allowed(self) -> Permissions:
            return Permissions(deletions=True)

        def test_nothing_is_fetched(self, ask, web):
            answer = ask("POST", "/v1/images", {"url": TOM})
            assert (answer.status, answer.error) == (403, "uploads_off")
            assert web.requested == []

    class TestWithoutUrls:
        @pytest.fixture
        def web(self) -> None:
            return None

        def test_an_upload_by_url_is_rejected(self, ask):
            answer = ask("POST", "/v1/images", {"url": TOM})
            assert (answer.status, answer.error) == (403, "urls_off")


class TestDisabled:
    @pytest.fixture
    def web(self) -> None:
        return None

    def test_a_disabled_fetch_is_rejected_with_the_setting_to_change(self, ask, pets):
        for path, body in (
            ("/v1/search", {"query": {"url": TOM}}),
            ("/v1/search", {"query": {"terms": [{"url": TOM}]}}),
            ("/v1/classify", {"url": TOM, "labels": ["a"]}),
        ):
            answer = ask("POST", path, body)
            assert (answer.status, answer.error) == (403, "urls_off")
            assert "AllowUrls" in answer.json["error"]["hint"]
