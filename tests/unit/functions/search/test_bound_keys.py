"""Claims: no operation shows, counts or changes an image outside the collections of a bound key."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from PIL import Image

from functions.search.composition import build_handler
from imagesearch import bootstrap
from imagesearch.domain.images import ImageRef
from imagesearch.settings import Settings
from tests.support.handlers import CONTEXT, Response, http, parse_response
from tests.support.paths import STARTER_MODEL

pytestmark = pytest.mark.slow

SECRET = "secretplace"
KEYS = ("cats/1.png", "cats/2.png", f"{SECRET}/1.png", f"{SECRET}/2.png", f"{SECRET}3.png")
UNKNOWN = "0" * 24


class Deployment:
    """A folder, the starter model and the handler; `shop` is bound to cats, `admin` to nothing."""

    def __init__(self, tmp_path: Any) -> None:
        self.folder = tmp_path / "images"
        for number, key in enumerate(KEYS):
            path = self.folder / key
            path.parent.mkdir(parents=True, exist_ok=True)
            # The first image of each collection has the same bytes.
            path.write_bytes(png(0 if key.endswith("/1.png") else 40 * number))
        self.settings = Settings(
            bucket=self.folder.as_uri(),
            index_url=f"sqlite://{tmp_path / 'index.db'}",
            model_uri=str(STARTER_MODEL),
            derived_uri=f"file://{tmp_path / 'derived'}",
            key_collections="shop=cats,admin=*",
            allow_uploads=True,
            allow_delete=True,
        )
        bucket = bootstrap.image_store(self.settings).bucket
        self.ids = {key: ImageRef(bucket, key).id for key in KEYS}
        bootstrap.indexer(self.settings).process([ImageRef(bucket, key) for key in KEYS])
        self._handler = build_handler(self.settings, None)
        self.asked: set[tuple[str, str]] = set()

    def ask(self, key_id: str, method: str, path: str, body: Any = None, **query: Any) -> Response:
        event = http(method, path, body, **query)
        identity = event["requestContext"]["identity"] | {"apiKeyId": key_id}
        event["requestContext"] = event["requestContext"] | {"identity": identity}
        return parse_response(self._handler(event, CONTEXT))


def png(gray: int) -> bytes:
    file = io.BytesIO()
    image = Image.new("RGB", (64, 48), (gray, 255 - gray, 90))
    image.paste((255, gray, 0), (gray % 30, 5, 40, 30))
    image.save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    made = Deployment(tmp_path_factory.mktemp("deployment"))
    yield made
    bootstrap.release(made.settings)


def requests(mine: str, id: str, collection: str, cursor: str | None, search_id: str) -> list[Any]:
    """Every operation with an image, a collection, a cursor and a search of others."""
    text = {"text": "a picture"}
    page = {"cursor": cursor} if cursor else {}
    return [
        ("GET", "/v1/search", None, {"q": "a picture", "limit": "100", **page}),
        ("GET", "/v1/search", None, {"q": "a picture", "collection": collection}),
        ("GET", "/v1/search", None, {"q": "x", "filter": f'{{"prefix": "{collection}"}}'}),
        ("POST", "/v1/search", {"query": {"id": id}}, {}),
        ("POST", "/v1/search", {"query": {"terms": [{"id": id, "weight": -1}]}}, {}),
        ("POST", "/v1/search", {"query": text, "like": [id]}, {}),
        ("POST", "/v1/search", {"query": text, "unlike": [id]}, {}),
        ("POST", "/v1/search", {"query": text, "filter": {"not": {"prefix": "cats/"}}}, {}),
        ("POST", "/v1/search/batch", {"searches": [{"query": text, **page}]}, {}),
        ("POST", "/v1/search/batch", {"searches": [{"query": {"id": id}}]}, {}),
        ("POST", "/v1/search/batch", {"searches": [{"query": text, "unlike": [mine, id]}]}, {}),
        ("GET", f"/v1/images/{id}/similar", None, {}),
        ("GET", f"/v1/images/{id}/preview", None, {}),
        ("GET", "/v1/images", None, {"collection": collection}),
        ("GET", "/v1/images", None, {"prefix": collection, **page}),
        ("GET", "/v1/images", None, {"sort": "-taken_at"}),
        ("GET", f"/v1/images/{id}", None, {}),
        ("DELETE", f"/v1/images/{id}", None, {}),
        (
            *("POST", "/v1/images"),
            {"name": "a.png", "content_type": "image/png", "collection": collection},
            {},
        ),
        ("GET", "/v1/facets", None, {"collection": collection}),
        ("GET", "/v1/facets", None, {}),
        ("POST", "/v1/facets", {"query": {"id": id}}, {}),
        ("POST", "/v1/facets", {"query": text, "like": [mine, id]}, {}),
        ("GET", "/v1/collections", None, {"parent": collection}),
        ("GET", "/v1/collections", None, {}),
        ("GET", "/v1/duplicates", None, {"collection": collection}),
        ("GET", "/v1/duplicates", None, page),
        ("POST", "/v1/duplicates/check", {"id": id}, {}),
        ("POST", "/v1/classify", {"id": id, "labels": ["a", "b"]}, {}),
        ("POST", "/v1/classify", {"id": id}, {}),
        ("POST", "/v1/classify", {"id": mine, "labels": ["a", "b"], "shots": 2}, {}),
        ("POST", "/v1/classify", {"id": mine, "labels": ["a"], "examples": {"a": [id, mine]}}, {}),
        ("POST", "/v1/classify", {"id": mine, "neighbours": 9}, {}),
        ("GET", "/v1/labelsets", None, {}),
        ("GET", "/v1/labelsets/mine", None, {}),
        ("PUT", "/v1/labelsets/mine", {"labels": ["a"]}, {}),
        ("POST", "/v1/labelsets/mine/labels", {"labels": ["a"]}, {}),
        ("PUT", "/v1/labelsets/mine", {"labels": ["a"], "examples": {"a": [id]}}, {}),
        ("POST", "/v1/labelsets/mine/labels", {"labels": ["a"], "examples": {"a": [id]}}, {}),
        ("DELETE", "/v1/labelsets/mine", None, {}),
        ("POST", "/v1/feedback", {"search_id": search_id, "id": id, "relevant": True}, {}),
        ("GET", "/v1/health", None, {}),
    ]


def test_every_operation_is_tried(deployed):
    document = deployed.ask("shop", "GET", "/openapi.json").json
    operations = {
        (method.upper(), path) for path, each in document["paths"].items() for method in each
    }
    tried = {
        (method, path.replace(UNKNOWN, "{id}").replace("/mine", "/{name}"))
        for method, path, *_ in requests(UNKNOWN, UNKNOWN, SECRET, None, "x")
    }
    assert {each for each in operations if each[1].startswith("/v1/")} <= tried


@pytest.mark.parametrize("key", [key for key in KEYS if SECRET in key])
def test_no_answer_shows_or_changes_an_image_of_others(deployed, key):
    """The answer for an image of others is that for an unknown one."""
    found = deployed.ask("shop", "GET", "/v1/search", q="a", feedback="true").json
    search_id = found["search_id"]
    before = sorted(deployed.folder.rglob("*.png"))
    mine = deployed.ids["cats/1.png"]
    foreign = requests(mine, deployed.ids[key], SECRET, None, search_id)
    unknown = requests(mine, UNKNOWN, "nothing", None, search_id)
    for asked, other in zip(foreign, unknown, strict=True):
        answer = deployed.ask("shop", *asked[:3], **asked[3])
        expected = deployed.ask("shop", *other[:3], **other[3])
        assert answer.status < 500, asked
        assert answer.status == expected.status, asked
        assert without_echo(answer, deployed, key) == without_echo(expected, deployed, key), asked
    assert sorted(deployed.folder.rglob("*.png")) == before


def without_echo(answer: Response, deployed: Deployment, key: str) -> Any:
    """The answer without what the request names, durations and random ids."""
    text = str(answer.body)
    for named in (deployed.ids[key], UNKNOWN):
        text = text.replace(named, "ID")
    found = json.loads(text.replace(SECRET, "nothing")) if text else None
    if isinstance(found, dict):
        for name in ("took_ms", "cursor"):
            found.pop(name, None)
        for each in found.get("results", []):
            each.pop("took_ms", None)
    assert f"{SECRET}/" not in str(answer.body)
    return found


def test_counts_cover_the_collections_of_the_key(deployed):
    assert deployed.ask("shop", "GET", "/v1/health").json["images"] == 2
    assert deployed.ask("admin", "GET", "/v1/health").json["images"] == len(KEYS)
    [collection] = deployed.ask("shop", "GET", "/v1/collections").json["collections"]
    assert "cats" in collection.values()
    facets = deployed.ask("shop", "GET", "/v1/facets")
    assert SECRET not in str(facets.body)


def test_cursors_and_search_ids_of_another_key_are_400(deployed):
    def ask(key_id: str, **query: Any) -> Response:
        return deployed.ask(key_id, "GET", "/v1/search", q="a", limit="1", feedback="true", **query)

    ours, theirs = ask("shop").json, ask("admin").json
    for key_id, own, foreign in (("shop", ours, theirs), ("admin", theirs, ours)):
        assert ask(key_id, cursor=own["cursor"]).status == 200
        answer = ask(key_id, cursor=foreign["cursor"])
        assert (answer.status, answer.error) == (400, "invalid_cursor")
        opinion = {"id": deployed.ids["cats/1.png"], "relevant": True}
        for found, status in ((own, 201), (foreign, 400)):
            body = opinion | {"search_id": found["search_id"]}
            assert deployed.ask(key_id, "POST", "/v1/feedback", body).status == status
