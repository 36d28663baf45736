"""Claims: a JSON filter is converted completely, and unknown fields are errors."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from imagesearch.domain import filters as f

JULY = datetime(2024, 7, 1, tzinfo=UTC)
END_OF_JULY_1 = datetime(2024, 7, 1, 23, 59, 59, 999_999, UTC)


@pytest.fixture
def converted_filter(ask, index):
    """Returns the domain filter of a posted filter."""

    def converted_filter(filter):
        answer = ask("POST", "/v1/search", {"query": {"text": "a dog"}, "filter": filter})
        assert answer.status == 200, answer.body
        return index.requested[-1][0].filter

    return converted_filter


@pytest.fixture
def filter_error(ask):
    """Returns the error of an invalid filter."""

    def filter_error(filter):
        answer = ask("POST", "/v1/search", {"query": {"text": "a dog"}, "filter": filter})
        assert answer.status == 400, answer.body
        assert answer.json["error"]["hint"]
        return answer.error, answer.json["error"]["message"]

    return filter_error


@pytest.mark.parametrize(
    ("posted", "meant"),
    [
        (None, None),
        ({}, f.AllOf(())),
        ({"width": None}, f.AllOf(())),
        ({"prefix": "2024/"}, f.KeyPrefix("2024/")),
        ({"prefix": ["a/", "b"]}, f.AnyOf((f.KeyPrefix("a/"), f.KeyPrefix("b")))),
        ({"collection": "cats"}, f.OneOf("collection", ("cats",))),
        ({"collection": ["cats", "dogs"]}, f.OneOf("collection", ("cats", "dogs"))),
        ({"content_type": {"in": ["image/png"]}}, f.OneOf("content_type", ("image/png",))),
        ({"width": 640}, f.NumberRange("width", gte=640, lte=640)),
        ({"height": {"gt": 0, "lt": 9}}, f.NumberRange("height", gt=0, lt=9)),
        ({"size": {"gte": 1, "lte": None}}, f.NumberRange("size", gte=1)),
        ({"latitude": {"gt": -3, "lt": 48.5}}, f.NumberRange("latitude", gt=-3, lt=48.5)),
        ({"longitude": -2.25}, f.NumberRange("longitude", gte=-2.25, lte=-2.25)),
        ({"metadata.camera": "X100"}, f.MetadataOneOf("camera", ("X100",))),
        ({"metadata.a.b ü": ["", "x"]}, f.MetadataOneOf("a.b ü", ("", "x"))),
        ({"not": {"collection": "a"}}, f.Not(f.OneOf("collection", ("a",)))),
        ({"or": [{"prefix": "a"}, {}]}, f.AnyOf((f.KeyPrefix("a"), f.AllOf(())))),
        ({"and": [{"prefix": "a"}]}, f.AllOf((f.KeyPrefix("a"),))),
    ],
)
def test_a_json_filter_is_converted(converted_filter, posted, meant):
    assert converted_filter(posted) == meant


@pytest.mark.parametrize(
    ("posted", "meant"),
    [
        ("2024-07-01", {"gte": JULY, "lte": END_OF_JULY_1}),
        ({"gte": "2024-07-01"}, {"gte": JULY}),
        ({"lt": "2024-07-01"}, {"lt": JULY}),
        ({"lte": "2024-07-01"}, {"lte": END_OF_JULY_1}),
        ({"gt": "2024-07-01"}, {"gt": END_OF_JULY_1}),
        ("2024-07-01T00:00", {"gte": JULY, "lte": JULY}),
        ({"gt": "2024-07-01T00:00:00Z"}, {"gt": JULY}),
        ({"gt": "2024-07-01T09:00:00.25+09:00"}, {"gt": JULY + timedelta(milliseconds=250)}),
        ({"lt": "0001-01-01T00:00:00+14:00"}, {"lt": datetime.min.replace(
            tzinfo=timezone(timedelta(hours=14)))}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["taken_at", "indexed_at", "last_modified"])
def test_a_date_is_a_whole_day_and_a_time_is_an_instant(converted_filter, field, posted, meant):
    assert converted_filter({field: posted}) == f.DateRange(field, **meant)


def test_all_fields_are_combined_in_any_order(converted_filter):
    posted = {"metadata.b": "2", "width": 1, "not": {"prefix": "x"}, "metadata.a": "1"}
    meant = f.AllOf(
        (
            f.NumberRange("width", gte=1, lte=1),
            f.MetadataOneOf("a", ("1",)),
            f.MetadataOneOf("b", ("2",)),
            f.Not(f.KeyPrefix("x")),
        )
    )
    assert converted_filter(posted) == converted_filter(dict(reversed(posted.items()))) == meant


@pytest.mark.parametrize(
    ("posted", "place"),
    [
        ([], "filter"),
        ("cats", "filter"),
        ({"width": "640"}, "filter.width"),
        ({"width": 1.5}, "filter.width"),
        ({"width": True}, "filter.width"),
        ({"width": [1, 2]}, "filter.width"),
        ({"width": {}}, "filter.width"),
        ({"width": {"gte": -1}}, "filter.width.gte"),
        ({"size": {"lt": 2**31}}, "filter.size.lt"),
        ({"height": {"gte": "1"}}, "filter.height.gte"),
        ({"latitude": "48"}, "filter.latitude"),
        ({"latitude": True}, "filter.latitude"),
        ({"longitude": {"gte": 180.5}}, "filter.longitude.gte"),
        ({"longitude": {}}, "filter.longitude"),
        ({"taken_at": "yesterday"}, "filter.taken_at.gte"),
        ({"taken_at": "2024-13-01"}, "filter.taken_at.gte"),
        ({"taken_at": "2024-7"}, "filter.taken_at.gte"),
        ({"taken_at": "٢٠٢٤-٠٧-٠١"}, "filter.taken_at.gte"),
        ({"taken_at": 1_700_000_000}, "filter.taken_at"),
        ({"taken_at": {"lt": 1_700_000_000}}, "filter.taken_at.lt"),
        ({"taken_at": {"lt": "2024-07-01T25:00:00Z"}}, "filter.taken_at.lt"),
        ({"collection": 7}, "filter.collection"),
        ({"collection": []}, "filter.collection.in"),
        ({"collection": [7]}, "filter.collection.in.0"),
        ({"collection": {}}, "filter.collection.in"),
        ({"metadata.x": "x" * 2_049}, "filter.metadata.x.in.0"),
        ({"metadata.image": {"in": "x"}}, "filter.metadata.image.in"),
        ({"prefix": ["x"] * 101}, "filter.prefix.in"),
        ({"and": {}}, "filter.and"),
        ({"or": []}, "filter.or"),
        ({"not": [{"prefix": "a"}]}, "filter.not"),
        ({"or": [{"prefix": "a"}, {"width": "wide"}]}, "filter.or.1.width"),
    ],
)
def test_an_invalid_filter_is_reported_with_its_position(filter_error, posted, place):
    code, message = filter_error(posted)
    assert code == "invalid_filter"
    assert message.startswith(f"{place}: ")


@pytest.mark.parametrize(
    ("posted", "place", "name"),
    [
        ({"color": "red"}, "filter", "color"),
        ({"and_": []}, "filter", "and_"),
        ({"metadata": {"camera": "X100"}}, "filter", "metadata"),
        ({"metadata.": "x"}, "filter", "metadata."),
        ({"not": {"Width": 1}}, "filter.not", "Width"),
        ({"or": [{}, {"$gte": 1}]}, "filter.or.1", "$gte"),
    ],
)
def test_an_unknown_field_is_named_with_the_known_fields(filter_error, posted, place, name):
    code, message = filter_error(posted)
    assert code == "unknown_field"
    assert message.startswith(f"{place}: unknown filter field {name!r}")
    for known in ("prefix", "collection", "taken_at", "metadata.NAME", "and", "or", "not"):
        assert known in message


def test_an_unknown_range_operator_is_named(filter_error):
    assert filter_error({"width": {"min": 5}}) == (
        "unknown_field",
        "unknown field 'filter.width.min'",
    )


def test_the_size_of_a_filter_is_limited(converted_filter, filter_error):
    bounds = {"width": {"gte": 1, "lt": 5}}
    assert converted_filter({"or": [bounds] * 50})
    for larger in ([bounds] * 50 + [{}], [bounds] * 51):
        code, message = filter_error({"or": larger})
        assert (code, "maximum is 100" in message) == ("invalid_filter", True)


def test_the_depth_of_a_filter_is_limited(converted_filter, filter_error):
    def nested(levels: int):
        return {"not": nested(levels - 1)} if levels else {"width": 1}

    assert converted_filter(nested(5))
    for levels in (6, 50):
        code, message = filter_error(nested(levels))
        assert (code, "maximum is 5" in message) == ("invalid_filter", True)
    assert filter_error(nested(5_00))[0] == "invalid_json"


def test_a_cursor_is_valid_for_its_own_filter_only(ask, fill):
    fill({f"a{n}.png": f"\x89PNG\r\n\x1a\n{n}".encode("latin-1") for n in range(3)})

    def page(filter, cursor=None):
        body = {"query": {"text": "a"}, "limit": 1, "filter": filter, "cursor": cursor}
        return ask("POST", "/v1/search", body)

    cursor = page({"size": {"gte": 1}, "prefix": "a"}).json["cursor"]
    assert page({"prefix": "a", "size": {"gte": 1}}, cursor).status == 200
    assert page({"prefix": "b", "size": {"gte": 1}}, cursor).error == "invalid_cursor"
    assert page(None, cursor).error == "invalid_cursor"
