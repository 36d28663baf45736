"""Strategies (hypothesis) of HTTP requests that are small to send and costly to answer.

Each request is the bytes of one HTTP/1.1 request of at most MAX_BYTES, with a name that states its
kind. Its parts are of the kinds on which servers spent more than linear time or memory: filters,
batches and terms, texts and labels, cursors, numbers and nesting of JSON, headers and their
parameters, forms, queries, paths and chunks.
"""

import base64
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from hypothesis import strategies as st
from PIL import Image

MAX_BYTES = 100_000
# The server takes 16 kB of headers, and refuses longer ones.
MAX_HEADERS = 20_000
JSON = "application/json"

Strategy = st.SearchStrategy[Any]

# Characters on which tokenizers, normalization, parsers and escapes spend different time.
UNITS = (
    *("a", "word ", "number 7 ", " ", "\t", "%", "_", "*", "?", "\\", '"', "'", "\0", "\x1b[1m"),
    *(
        "é",
        "e\u0301\u0323",
        "\u0301",
        "漢",
        "ﷺ",
        "ﬃ",
        "ǆ",
        "각",
        "각",
        "🦉",
        "👩‍👩‍👧‍👦",
        "\u200d",
        "\u202e",
    ),
    *(
        "&amp;",
        "&",
        "amp;",
        "&#38;",
        "<b>",
        "ſ",
        "İ",
        "ß",
        "\ufeff",
        "\u2028",
        "9",
        "1,",
        "-",
        ";;",
    ),
    *("../", "%2e%2e/", "{}", "[(", "a,", "a=b;", "\ud800"),
)
# Raw JSON: numbers whose digits or exponents are costly to convert.
NUMBERS = (
    *("1", "0.5", "-0", "NaN", "1e999999999", "-1e-999999999", "1" + "0" * 4_299, "9" * 5_000),
    *("9" * 60_000, "0." + "9" * 60_000, "1e" + "9" * 50_000, "-" + "0" * 40_000, "true", "null"),
)
NUMBER_FIELDS = ("width", "height", "pixels", "size", "latitude", "longitude")
TIME_FIELDS = ("taken_at", "indexed_at", "last_modified")
TEXT_FIELDS = ("prefix", "collection", "content_type", "orientation")


@dataclass(frozen=True)
class CostlyRequest:
    """The bytes of a request, and the name of its kind."""

    name: str
    data: bytes

    def __repr__(self) -> str:
        return f"{self.name}, {len(self.data):,} bytes: {self.data[:200]!r}"


@dataclass(frozen=True)
class Targets:
    """IDs of indexed images, names of their metadata, and keys, that requests refer to."""

    ids: Sequence[str]
    names: Sequence[str]
    keys: Sequence[str]


@st.composite
def texts(draw: st.DrawFn, most: int) -> str:
    """A text of up to `most` bytes, of few units, most of them repeated."""
    units = draw(st.lists(st.sampled_from(UNITS), min_size=1, max_size=4))
    number = draw(st.sampled_from((1, 3, 30, 190, 1_000, 1_990, 20_000, 90_000)))
    unit = draw(st.text(max_size=8)) + "".join(units)
    text = (unit * (number // len(unit) + 1))[:number]
    # Different texts are embedded each.
    text = f"{draw(st.integers(0, 10**6))} {text}"
    return text.encode("utf-8", "surrogatepass")[:most].decode("utf-8", "replace")


def leaves(targets: Targets) -> Strategy:
    """Filters of one field."""
    values = st.lists(texts(300), min_size=1, max_size=20) | texts(1_000)
    names = st.sampled_from(targets.names) | texts(60)
    number = st.integers(-(2**63), 2**63)
    bounds = st.dictionaries(st.sampled_from(("gte", "gt", "lte", "lt")), number, min_size=1)
    time = st.sampled_from(("2024", "2024-07", "2024-07-01", "2024-07-01T10:00:00.5+23:59"))
    metadata = values | values.map(lambda each: {"contains": each})
    return st.one_of(
        st.dictionaries(names.map(lambda name: f"metadata.{name}"), metadata, max_size=16),
        st.builds(lambda name, each: {name: each}, st.sampled_from(TEXT_FIELDS), values),
        st.builds(lambda name, each: {name: each}, st.sampled_from(NUMBER_FIELDS), bounds),
        st.builds(lambda name, at: {name: {"gte": at}}, st.sampled_from(TIME_FIELDS), time),
        st.just({}),
    )


def filters(targets: Targets) -> Strategy:
    """Nested filters, and one that is repeated or nested many times."""
    nested = st.recursive(
        leaves(targets),
        lambda inner: st.one_of(
            st.builds(
                lambda word, each: {word: each},
                st.sampled_from(("and", "or")),
                st.lists(inner, min_size=1, max_size=8),
            ),
            inner.map(lambda each: {"not": each}),
        ),
        max_leaves=12,
    )
    return nested | st.builds(
        _repeated, nested, st.sampled_from(("and", "or", "not")), st.sampled_from((9, 99, 3_000))
    )


def _repeated(filter: Any, word: str, number: int) -> Any:
    if word != "not":
        return {word: [filter] * number}
    for _ in range(min(number, 300)):
        filter = {"not": filter}
    return filter


def _picture(side: int, kind: str, **options: Any) -> str:
    file = io.BytesIO()
    Image.effect_noise((side, side), 50).save(file, kind, **options)
    return base64.b64encode(file.getvalue()).decode()


def _plain(side: int, kind: str) -> str:
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, kind)
    return base64.b64encode(file.getvalue()).decode()


def images() -> Strategy:
    """Images in base64: ordinary, and few bytes with many pixels."""
    made: tuple[Callable[[], str], ...] = (
        lambda: _picture(60, "JPEG"),
        lambda: _picture(150, "JPEG", progressive=True),
        lambda: _picture(60, "PNG"),
        lambda: _plain(2_000, "PNG"),
        lambda: _plain(7_000, "PNG"),
        lambda: _plain(4_000, "JPEG"),
        lambda: _plain(4_000, "WEBP"),
        lambda: _plain(3_000, "GIF"),
    )
    return st.sampled_from(made).map(lambda make: make())


def query_parts(targets: Targets, *, with_images: bool = True) -> Strategy:
    """A text, an indexed image or an image."""
    parts = [
        st.builds(lambda text: {"text": text}, texts(8_000)),
        st.builds(lambda image: {"id": image}, st.sampled_from(targets.ids) | texts(100)),
    ]
    if with_images:
        parts.append(st.builds(lambda image: {"image": image}, images()))
    return st.one_of(*parts)


@st.composite
def search_bodies(draw: st.DrawFn, targets: Targets, *, with_images: bool = True) -> Any:
    """The body of one search."""
    part = query_parts(targets, with_images=with_images)
    terms = st.lists(part, min_size=1, max_size=16).map(
        lambda found: {"terms": [{**each, "weight": 1 / n} for n, each in enumerate(found, 1)]}
    )
    ids = st.lists(st.sampled_from(targets.ids), max_size=60)
    optional = {
        "filter": filters(targets),
        "limit": st.sampled_from((1, 10, 15, 100)),
        "collection": texts(1_000) | st.sampled_from(targets.keys),
        "min_relevance": st.sampled_from((0, 0.01, 0.99)),
        "sort": st.sampled_from(("relevance", "taken_at", "-taken_at")),
        "cursor": texts(8_000),
        "feedback": st.booleans(),
        "like": ids,
        "unlike": ids,
    }
    chosen = draw(st.lists(st.sampled_from(sorted(optional)), unique=True, max_size=5))
    return {"query": draw(part | terms)} | {name: draw(optional[name]) for name in chosen}


def searches(targets: Targets) -> Strategy:
    body = search_bodies(targets)
    return st.builds(lambda each: _json("search", "POST", "/v1/search", each), body) | st.builds(
        lambda each: _json("facets", "POST", "/v1/facets", each), body
    )


@st.composite
def batches(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """Searches of a few kinds, most of them repeated with other texts."""
    kinds = draw(st.lists(search_bodies(targets), min_size=1, max_size=3))
    number = draw(st.sampled_from((1, 4, 31, 32, 33, 400)))
    limit = draw(st.sampled_from((1, 10, 15)))
    made = [_varied(kinds[n % len(kinds)], n) | {"limit": limit} for n in range(number)]
    while len(made) > 1 and len(_dumped({"searches": made})) > MAX_BYTES - 500:
        made = made[: len(made) * 3 // 4]
    return _json("batch", "POST", "/v1/search/batch", {"searches": made})


def _varied(search: Any, number: int) -> Any:
    """The search with other texts: equal ones are embedded once."""
    query = search["query"]
    terms = [_with_number(each, number) for each in query.get("terms", ())]
    return search | {"query": {"terms": terms} if terms else _with_number(query, number)}


def _with_number(part: Any, number: int) -> Any:
    return part | {"text": f"{number} {part['text']}"} if "text" in part else part


@st.composite
def lists(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """Lists, facets, collections and duplicates by parameters."""
    filter = st.builds(_dumped, filters(targets)).map(bytes.decode)
    path, optional = draw(
        st.sampled_from(
            (
                ("/v1/images", ("limit", "cursor", "collection", "prefix", "status", "sort")),
                ("/v1/images", ("filter", "limit", "sort")),
                ("/v1/facets", ("q", "collection", "filter", "min_relevance")),
                ("/v1/facets", ("filter",)),
                ("/v1/collections", ("parent", "depth", "limit", "cursor")),
                ("/v1/duplicates", ("threshold", "collection", "limit", "cursor")),
                ("/v1/search", ("q", "filter", "limit", "sort", "min_relevance", "cursor")),
                (f"/v1/images/{draw(st.sampled_from(targets.ids))}/similar", ("filter", "limit")),
                (f"/v1/images/{draw(st.sampled_from(targets.ids))}/preview", ()),
                ("/v1/labelsets", ("limit", "cursor")),
                *((path, ()) for path in ("/openapi.json", "/docs", "/", "/v1/health")),
            )
        )
    )
    values = {
        "limit": st.sampled_from(("1", "100", "9" * 4_000)),
        "filter": filter,
        "depth": st.sampled_from(("1", "4", "8")),
        "sort": st.sampled_from(("taken_at", "-taken_at", "key", "relevance")),
        "status": st.sampled_from(("indexed", "rejected")),
        "threshold": st.sampled_from(("0.5", "0.9", "1")),
        "min_relevance": st.sampled_from(("0", "0.5")),
        "collection": st.sampled_from(("2024", "2024/001")) | texts(1_000),
    }
    query = {name: draw(values.get(name, texts(9_000))) for name in optional if draw(st.booleans())}
    if path == "/v1/search":
        query.setdefault("q", draw(texts(9_000)))
    encoded = urlencode(query, errors="replace")
    return _request(
        f"GET {path.split('/')[2 if '/v1/' in path else 1]}", "GET", f"{path}?{encoded}"
    )


@st.composite
def classifications(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """Labels up to the limit, examples, and votes."""
    label, number = draw(texts(200)), draw(st.sampled_from((1, 20, 100, 200, 201)))
    labels = [f"{n} {label}"[:200] for n in range(number)]
    body: dict[str, Any] = draw(
        st.builds(lambda image: {"id": image}, st.sampled_from(targets.ids))
        | st.builds(lambda image: {"image": image}, images())
    )
    if draw(st.integers(0, 4)):
        body["labels"] = labels
    else:
        body["neighbours"] = 100
    match draw(st.integers(0, 3)):
        case 0:
            body["shots"] = draw(st.sampled_from((1, 2, 64)))
        case 1:
            each = draw(st.sampled_from((1, 2, 30)))
            body["examples"] = {
                one: [targets.ids[(n + i) % len(targets.ids)] for i in range(each)]
                for n, one in enumerate(labels[: max(1, 500 // each)])
            }
    while "labels" in body and len(_dumped(body)) > MAX_BYTES - 500 and len(body["labels"]) > 1:
        body["labels"] = body["labels"][: len(body["labels"]) // 2]
        body.pop("examples", None)
    return _json("classify", "POST", "/v1/classify", body)


@st.composite
def label_sets(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """A set with as many labels as a request may have."""
    label, number = draw(texts(200)), draw(st.sampled_from((1, 100, 200, 201)))
    labels = [f"{draw(st.integers(0, 9**9))} {n} {label}"[:200] for n in range(number)]
    while len(_dumped({"labels": labels})) > MAX_BYTES - 500:
        labels = labels[: len(labels) * 3 // 4]
    method, path = draw(
        st.sampled_from((("PUT", "/v1/labelsets/a"), ("POST", "/v1/labelsets/a/labels")))
    )
    return _json("labels", method, path, {"labels": labels})


@st.composite
def raw_json(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """JSON that is deep, has repeated keys, or long numbers and names."""
    path = draw(
        st.sampled_from(
            (
                "search",
                "search/batch",
                "classify",
                "facets",
                "feedback",
                "duplicates/check",
                "images",
            )
        )
    )
    opening, closing = draw(st.sampled_from((("[", "]"), ('{"and":[', "]}"), ('{"not":', "}"))))
    deep = draw(st.sampled_from((9, 200, 2_000, 9_000)))
    number, name = draw(st.sampled_from(NUMBERS)), json.dumps(draw(texts(60_000)))
    id = json.dumps(draw(st.sampled_from(targets.ids)))
    body = draw(
        st.sampled_from(
            (
                opening * deep + closing * deep,
                opening * deep,
                f'{{"query":{{"text":"a"}},"filter":{opening * deep}{{}}{closing * deep}}}',
                f'{{"query":{{"text":"a"}},"limit":{number}}}',
                f'{{"query":{{"text":"a"}},"filter":{{"width":{number}}}}}',
                f'{{"query":{{"text":"a"}},"filter":{{"width":{{"gte":{number}}}}}}}',
                f'{{"query":{{"text":"a"}},"filter":{{"metadata.{"a" * deep}":"b"}}}}',
                f'{{"query":{{"terms":[{{"text":"a","weight":{number}}}]}}}}',
                f'{{"query":{{"text":"a"}},{name}:{number}}}',
                "{" + ",".join(['"query":{"text":"a"}'] * (deep // 3)) + "}",
                "{" + ",".join([f'"{n}":{{}}' for n in range(deep)]) + "}",
                f'{{"query":{{"text":{name}}}}}',
                f'{{"search_id":{name},"id":{id},"relevant":true}}',
                f'{{"id":{id},"labels":[{",".join(["[]"] * deep)}]}}',
                f'{{"id":{id},"threshold":{number}}}',
                f'{{"name":{name},"content_type":"image/png"}}',
                f'{{"name":"a.png","content_type":"image/png","metadata":{{{name}:{name}}}}}',
                " " * 90_000 + "{}",
                "",
            )
        )
    )
    data = body.encode("utf-8", "replace")[: MAX_BYTES - 500]
    return _request("JSON", "POST", f"/v1/{path}", {"Content-Type": JSON}, data)


@st.composite
def headers(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Long, many and repeated headers whose values are lists or have parameters."""
    size = draw(st.sampled_from((100, 4_000, 15_000, MAX_HEADERS, 90_000)))
    unit = draw(
        st.sampled_from(('\\"', "\\", ";", ",", '"a",', "a=b;", "1-2,", " ", "\t", ";;;a="))
    )
    name, begin = draw(
        st.sampled_from(
            (
                ("Cookie", 'imagesearch-files="'),
                ("Cookie", ""),
                ("Content-Type", 'multipart/form-data; a="'),
                ("Content-Type", "multipart/form-data; boundary="),
                ("Content-Type", "application/json;"),
                ("Accept-Encoding", "gzip;q=1,"),
                ("If-None-Match", 'W/"a",'),
                ("If-Modified-Since", "Sat, 28 Nov 2026 "),
                ("Range", "bytes="),
                ("X-Forwarded-Prefix", "/a"),
                ("X-Forwarded-Host", "a,"),
                ("X-Forwarded-For", "1.1.1.1,"),
                ("Forwarded", "for="),
                ("Host", "localhost"),
                ("Origin", "http://"),
                ("X-Api-Key", "a"),
                ("Expect", "100-continue"),
                ("Transfer-Encoding", "chunked,"),
                ("Content-Length", "1"),
            )
        )
    )
    path = draw(st.sampled_from(("/v1/search?q=a", "/v1/images", "/", "/openapi.json", "/upload")))
    method = draw(st.sampled_from(("GET", "POST", "OPTIONS", "HEAD")))
    if draw(st.booleans()):
        lines = {name: begin + unit * (size // len(unit))}
    else:
        lines = {f"{name}-{n}": unit for n in range(size // (len(name) + len(unit) + 8))}
    body = b"a" if name == "Content-Type" else b""
    return _request(f"header {name}", method, path, lines, body)


@st.composite
def forms(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Forms of many parts, long headers of parts and broken boundaries."""
    boundary = draw(st.sampled_from(("x", "-" * 70, "--", "a" * 70, "\\")))
    header = draw(st.sampled_from(("", 'Content-Disposition: form-data; name="file"', "A: b")))
    padding = draw(st.sampled_from(("", ";" * 8_000, '; a="' + "\\" * 8_000, " " * 8_000)))
    content = draw(st.sampled_from((b"", b"-" * 90_000, b"\r\n" * 9_000, b"\r\n--" * 9_000)))
    part = f"--{boundary}\r\n{header}{padding}\r\n\r\n".encode() + content + b"\r\n"
    repeated = part * draw(st.sampled_from((1, 2, 200, 5_000)))
    end = draw(st.sampled_from((f"--{boundary}--\r\n", "", "\r\n", f"--{boundary}")))
    body = repeated[: MAX_BYTES - 700] + end.encode()
    path = draw(
        st.sampled_from(("/v1/search", "/v1/classify?labels=a", "/v1/duplicates/check", "/upload"))
    )
    type = f"multipart/form-data; boundary={draw(st.sampled_from((boundary, '')))}"
    return _request("form", "POST", path, {"Content-Type": type}, body)


@st.composite
def queries(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Queries of thousands of parameters, also as the body of a form."""
    pair = draw(st.sampled_from(("a=b&", "&", "q=a&", "%&", "filter={}&", "=", ";", "q=%F0%9F&")))
    query = pair * (draw(st.sampled_from((10, 101, 3_000, 90_000))) // len(pair))
    path = draw(st.sampled_from(("/v1/search", "/v1/images", "/v1/facets", "/", "/files/a")))
    if draw(st.booleans()):
        return _request("query", "GET", f"{path}?q=a&{query}")
    type = "application/x-www-form-urlencoded"
    return _request("query", "POST", path, {"Content-Type": type}, query.encode())


@st.composite
def paths(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """Long and deep paths of the API, of files and of thumbnails."""
    begin = draw(st.sampled_from(("/v1/images/", "/files/", "/thumbnails/", "/v1/labelsets/", "/")))
    unit = draw(
        st.sampled_from(("a", "/", "../", "%2e%2e%2f", "%", "%00", "%F0%9F%A6%89", ".", "//"))
    )
    key = quote(draw(st.sampled_from(targets.keys)))
    rest = draw(st.sampled_from(("", key))) + unit * (
        draw(st.sampled_from((1, 1_000, 15_000))) // len(unit)
    )
    method = draw(st.sampled_from(("GET", "PUT", "POST", "OPTIONS", "a" * 5_000)))
    return _request("path", method, begin + rest, {"Range": "bytes=0-0,1-1"})


@st.composite
def chunks(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """Bodies in many small chunks, with extensions and trailers."""
    chunk = draw(
        st.sampled_from((b"1\r\na\r\n", b"1;" + b"a" * 90 + b"\r\n{\r\n", b"1\r\n\r\n\r\n"))
    )
    number = draw(st.sampled_from((1, 100, 14_000)))
    end = draw(st.sampled_from((b"0\r\n\r\n", b"0\r\n" + b"A: b\r\n" * 2_000 + b"\r\n", b"")))
    body = (chunk * number)[: MAX_BYTES - 20_000] + end
    lines = {"Transfer-Encoding": "chunked", "Content-Type": JSON}
    return _request("chunks", "POST", "/v1/search", lines, body)


@st.composite
def pictures(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """An image as the body."""
    path = draw(st.sampled_from(("/v1/search", "/v1/classify", "/v1/duplicates/check")))
    data = base64.b64decode(draw(images()))[: MAX_BYTES - 500]
    return _request("image", "POST", path, {"Content-Type": "image/png"}, data)


def _dumped(value: Any) -> bytes:
    """JSON, in which surrogates are escaped."""
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")


def _json(name: str, method: str, path: str, value: Any) -> CostlyRequest:
    return _request(name, method, path, {"Content-Type": JSON}, _dumped(value))


def _request(
    name: str, method: str, path: str, lines: dict[str, str] | None = None, body: bytes = b""
) -> CostlyRequest:
    """The request with these headers; what exceeds MAX_BYTES is cut off."""
    sent = {"Host": "localhost", "Connection": "close"} | (lines or {})
    if body and not {"Transfer-Encoding", "Content-Length"} & sent.keys():
        sent["Content-Length"] = str(min(len(body), MAX_BYTES - 2_000))
    head = "".join(f"{header}: {value}\r\n" for header, value in sent.items())
    data = f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body
    return CostlyRequest(name, data[:MAX_BYTES])


# Each is mostly such that pass validation, as these cost the most.
KINDS: Sequence[Callable[[Targets], Strategy]] = (
    searches,
    batches,
    lists,
    classifications,
    label_sets,
    raw_json,
    headers,
    forms,
    queries,
    paths,
    chunks,
    pictures,
)
