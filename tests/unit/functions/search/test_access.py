"""Claims: a scoped API key reads, uploads and deletes images of its collections only."""

from contextlib import closing
from dataclasses import replace
from types import SimpleNamespace

import pytest

from functions.search.handler import KeyScopes, make_handler
from functions.search.request_log import RequestLog
from imagesearch.access import KeyBindings, Scope, ScopedIndex
from imagesearch.adapters.sqlite.index import SqliteIndex
from imagesearch.classification.classifier import Classifier
from imagesearch.duplicates.checker import DuplicateChecker
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.duplicates.linker import Linker
from imagesearch.embedding.manifest import DuplicateWeights
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.searcher import Searcher
from tests.support.fakes import picture, ref
from tests.support.handlers import CONTEXT, http, parse_response

CATS = Scope(frozenset({"cats"}))
WEIGHTS = DuplicateWeights().weights
KEYS = ("cats/1.png", "cats/2.png", "dogs/1.png", "alone.png")


@pytest.fixture
def index(tmp_path):
    """The SQLite index, which applies the filters of scopes."""
    with closing(SqliteIndex(tmp_path / "index.db", "images-test", 8)) as index:
        yield index


@pytest.fixture
def ask(dependencies, index, texts, images, labels, label_sets, logger, metrics, fill):
    """Sends a request with the key of this id; `cat-shop` has the scope `cats`."""
    fill({key: picture(f"a picture of {key}") for key in KEYS} | {"dogs/2.png": picture("broken")})

    def scope_of(scope):
        seen = ScopedIndex(index, scope)
        return replace(
            dependencies,
            searcher=Searcher(seen, texts, images),
            duplicate_groups=DuplicateFinder(seen),
            duplicate_check=DuplicateChecker(seen, images, WEIGHTS),
            classifier=Classifier(QueryEncoder(seen, texts, images), labels, label_sets),
        )

    bound = KeyScopes(KeyBindings({"cat-shop": CATS, "other": None}), scope_of)
    handler = make_handler(dependencies, RequestLog(logger, metrics), key_scopes=bound)

    def ask(key_id, *request, **query):
        event = http(*request, **query)
        identity = {**event["requestContext"]["identity"], "apiKeyId": key_id}
        context = {**event["requestContext"], "identity": identity}
        return parse_response(handler({**event, "requestContext": context}, CONTEXT))

    return ask


def found(answer):
    return {hit["key"] for hit in answer.json["hits"]}


def test_a_search_finds_only_images_of_the_key_scope(ask):
    seen = {"cats/1.png", "cats/2.png"}
    assert found(ask("cat-shop", "GET", "/v1/search", q="a picture", limit="100")) == seen
    assert found(ask("other", "GET", "/v1/search", q="a picture", limit="100")) == set(KEYS)


@pytest.mark.parametrize("key_id", [None, "", "cat-shop2", "*"])
def test_a_key_that_is_not_bound_has_access_to_nothing_but_the_pages(ask, key_id):
    for request in (("GET", "/v1/images"), ("GET", "/v1/health"), ("POST", "/v1/search", {})):
        answer = ask(key_id, *request)
        assert (answer.status, answer.error) == (403, "key_not_bound")
    assert ask(key_id, "GET", "/openapi.json").status == 200


def test_feedback_is_stored_with_a_pseudonym_of_the_key(
    dependencies, index, texts, images, logger, metrics, ask
):
    search_id = "of-a-search"
    given = []
    feedback = SimpleNamespace(give=lambda *arguments: given.append(arguments))
    handler = make_handler(replace(dependencies, feedback=feedback), RequestLog(logger, metrics))
    event = http("POST", "/v1/feedback", {"search_id": search_id, "id": "x", "relevant": True})
    identity = {**event["requestContext"]["identity"], "apiKeyId": "cat-shop"}
    context = {**event["requestContext"], "identity": identity}
    assert handler({**event, "requestContext": context}, CONTEXT)["statusCode"] == 201
    assert given == [(search_id, "x", True, "cat-shop")]


@pytest.mark.parametrize("field", ["like", "unlike"])
def test_an_opinion_on_an_image_outside_the_key_scope_is_as_on_an_unknown_one(ask, field):
    def search(id):
        return {"query": {"text": "a picture"}, field: [id]}

    outside = ask("cat-shop", "POST", "/v1/search", search(ref("dogs/1.png").id))
    unknown = ask("cat-shop", "POST", "/v1/search", search("nobody"))
    assert outside.status == unknown.status == 404
    assert outside.error == unknown.error
    assert ask("cat-shop", "POST", "/v1/search", search(ref("cats/1.png").id)).status == 200


def test_no_parameter_or_filter_widens_the_scope(ask):
    outside = ask("cat-shop", "GET", "/v1/search", q="a picture", collection="dogs")
    assert found(outside) == set()
    wide = {"query": {"text": "a picture"}, "filter": {"or": [{"prefix": "dogs/"}, {"prefix": ""}]}}
    assert found(ask("cat-shop", "POST", "/v1/search", wide)) <= {"cats/1.png", "cats/2.png"}


def test_lists_and_counts_cover_only_the_key_scope(ask):
    listed = ask("cat-shop", "GET", "/v1/images").json["images"]
    assert [image["key"] for image in listed] == ["cats/1.png", "cats/2.png"]
    assert ask("cat-shop", "GET", "/v1/images", status="rejected").json["images"] == []
    health = ask("cat-shop", "GET", "/v1/health").json
    assert (health["images"], health["rejected"]) == (2, 0)


def test_an_image_outside_the_scope_is_not_found(ask):
    outside, inside = ref("dogs/1.png").id, ref("cats/1.png").id
    for path in ("/v1/images/{}", "/v1/images/{}/similar"):
        assert ask("cat-shop", "GET", path.format(outside)).status == 404
        assert ask("cat-shop", "GET", path.format(inside)).status == 200
    assert ask("cat-shop", "POST", "/v1/search", {"query": {"id": outside}}).status == 404
    assert found(ask("cat-shop", "GET", f"/v1/images/{inside}/similar")) == {"cats/2.png"}


def test_duplicates_outside_the_scope_are_not_returned(ask, index, fill):
    same = {"cats/3.png": picture("twins"), "dogs/3.png": picture("twins")}
    fill(same)
    assert Linker(index, WEIGHTS).link([ref(key) for key in same]) == {}
    check = ("POST", "/v1/duplicates/check", picture("twins"), "image/png")
    assert len(ask("other", "GET", "/v1/duplicates").json["groups"]) == 1
    assert len(ask("other", *check).json["matches"]) == 2
    assert ask("cat-shop", "GET", "/v1/duplicates").json["groups"] == []
    [match] = ask("cat-shop", *check).json["matches"]
    assert match["image"]["key"] == "cats/3.png"
    outside = {"id": ref("dogs/3.png").id}
    assert ask("cat-shop", "POST", "/v1/duplicates/check", outside).status == 404


def test_examples_outside_the_key_scope_are_as_unknown_ones(ask):
    def classify(**fields):
        body = {"id": ref("cats/1.png").id, "labels": ["cats", "dogs"], **fields}
        return ask("cat-shop", "POST", "/v1/classify", body)

    seen, hidden = ref("cats/2.png").id, ref("dogs/1.png").id
    assert classify(examples={"cats": [seen]}).json["learned"]["examples"] == 1
    for id in (hidden, "unknown"):
        answer = classify(examples={"cats": [seen], "dogs": [id]})
        assert (answer.status, answer.error) == (404, "not_found")
    assert classify(shots=5, source="collection").json["learned"]["examples"] == 1
