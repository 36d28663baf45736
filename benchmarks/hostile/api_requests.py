"""Strategies (hypothesis) of requests that are costly to evaluate.

They are filters, batches, terms, labels, lists and images. Most pass validation.
"""

import base64
from typing import Any
from urllib.parse import urlencode

from hypothesis import strategies as st

from benchmarks.hostile.costly_request import (
    MAX_BYTES,
    CostlyRequest,
    Targets,
    dumped,
    json_request,
    request,
)
from benchmarks.hostile.json_values import Strategy, filters, images, search_bodies, texts


def searches(targets: Targets) -> Strategy:
    """Single searches, and the facets of their hits."""
    body = search_bodies(targets)
    return st.builds(
        lambda each: json_request("search", "POST", "/v1/search", each), body
    ) | st.builds(lambda each: json_request("facets", "POST", "/v1/facets", each), body)


@st.composite
def batches(draw: st.DrawFn, targets: Targets) -> CostlyRequest:
    """Searches of a few kinds, most of them repeated with other texts."""
    kinds = draw(st.lists(search_bodies(targets), min_size=1, max_size=3))
    number = draw(st.sampled_from((1, 4, 31, 32, 33, 400)))
    limit = draw(st.sampled_from((1, 10, 15)))
    made = [_varied(kinds[n % len(kinds)], n) | {"limit": limit} for n in range(number)]
    while len(made) > 1 and len(dumped({"searches": made})) > MAX_BYTES - 500:
        made = made[: len(made) * 3 // 4]
    return json_request("batch", "POST", "/v1/search/batch", {"searches": made})


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
    filter = st.builds(dumped, filters(targets)).map(bytes.decode)
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
    return request(f"GET {path.split('/')[2 if '/v1/' in path else 1]}", "GET", f"{path}?{encoded}")


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
    while "labels" in body and len(dumped(body)) > MAX_BYTES - 500 and len(body["labels"]) > 1:
        body["labels"] = body["labels"][: len(body["labels"]) // 2]
        body.pop("examples", None)
    return json_request("classify", "POST", "/v1/classify", body)


@st.composite
def label_sets(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """A set with as many labels as a request may have."""
    label, number = draw(texts(200)), draw(st.sampled_from((1, 100, 200, 201)))
    labels = [f"{draw(st.integers(0, 9**9))} {n} {label}"[:200] for n in range(number)]
    while len(dumped({"labels": labels})) > MAX_BYTES - 500:
        labels = labels[: len(labels) * 3 // 4]
    method, path = draw(
        st.sampled_from((("PUT", "/v1/labelsets/a"), ("POST", "/v1/labelsets/a/labels")))
    )
    return json_request("labels", method, path, {"labels": labels})


@st.composite
def pictures(draw: st.DrawFn, _: Targets) -> CostlyRequest:
    """An image as the body."""
    path = draw(st.sampled_from(("/v1/search", "/v1/classify", "/v1/duplicates/check")))
    data = base64.b64decode(draw(images()))[: MAX_BYTES - 500]
    return request("image", "POST", path, {"Content-Type": "image/png"}, data)
