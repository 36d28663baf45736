"""Strategies (hypothesis) of the values in requests: texts, filters, images and searches."""

import base64
import io
from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st
from PIL import Image

from benchmarks.hostile.costly_request import Targets

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
NUMBER_FIELDS = ("width", "height", "pixels", "size", "latitude", "longitude")
TIME_FIELDS = ("taken_at", "indexed_at", "last_modified")
TEXT_FIELDS = ("prefix", "collection", "content_type", "orientation")


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
