"""Filters apply during a search, so matching images are found at any distance."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from imagesearch.domain.filters import (
    AllOf,
    AnyOf,
    DateRange,
    KeyPrefix,
    MetadataContains,
    MetadataOneOf,
    MetadataRecorded,
    Not,
    NumberRange,
    OneOf,
    Recorded,
)

JULY = datetime(2024, 7, 1, 10, tzinfo=UTC)


@pytest.fixture
def found(subject, unit_vector):
    """The keys found by a search with a filter, in order."""
    return lambda wanted: sorted(subject.found_keys(unit_vector(0), limit=100, filter=wanted))


def test_a_prefix_can_be_a_folder_or_any_text(subject, put, found):
    subject.store(*(put(key) for key in ["2024/a", "2024/beach/b", "2024/bear", "2024", "20/x"]))
    assert found(KeyPrefix("2024/")) == ["2024/a", "2024/beach/b", "2024/bear"]
    assert found(KeyPrefix("2024/be")) == ["2024/beach/b", "2024/bear"]
    assert found(KeyPrefix("2024")) == ["2024", "2024/a", "2024/beach/b", "2024/bear"]
    assert found(KeyPrefix("beach/")) == []
    assert len(found(KeyPrefix(""))) == 5


def test_a_prefix_can_be_deep_long_and_of_any_characters(subject, put, found):
    deep, wide = "é/" * 300, "\U0001f43b" * 200
    subject.store(put(deep + "a"), put("é/" * 299 + "b"), put(wide + "/%_*?a"), put(wide + "/%b"))
    assert found(KeyPrefix(deep)) == [deep + "a"]
    assert found(KeyPrefix(wide + "/%_*")) == [wide + "/%_*?a"]


def test_numbers_are_filtered_by_range(subject, put, found):
    subject.store(*(put(f"{width}", width=width) for width in (10, 20, 30)), put("unknown"))
    assert found(NumberRange("width", gte=20)) == ["20", "30"]
    assert found(NumberRange("width", gt=10, lt=30)) == ["20"]
    assert found(NumberRange("width", lte=20)) == ["10", "20"]
    assert found(NumberRange("width")) == ["10", "20", "30"]
    assert found(Not(NumberRange("width", gte=20))) == ["10", "unknown"]
    assert len(found(NumberRange("size", gte=1234, lte=1234))) == 4


def test_coordinates_are_filtered_by_range(subject, put, found):
    subject.store(
        put("paris", latitude=48.8566, longitude=2.3522),
        put("quito", latitude=-0.180653, longitude=-78.4678),
        put("unknown"),
    )
    assert found(NumberRange("latitude", gte=48.8566, lt=48.8567)) == ["paris"]
    assert found(NumberRange("longitude", gt=-78.47, lte=-78.4678)) == ["quito"]
    assert found(Not(NumberRange("latitude", gte=0))) == ["quito", "unknown"]


def test_times_are_filtered_by_range_in_milliseconds(subject, put, found):
    times = {"before": timedelta(milliseconds=-1), "at": timedelta(microseconds=999)}
    subject.store(
        *(put(name, taken_at=JULY + offset) for name, offset in times.items()),
        put("later", taken_at=JULY + timedelta(days=1)),
        put("elsewhere", taken_at=JULY.astimezone(timezone(timedelta(hours=9)))),
        put("camera", taken_at=JULY.replace(tzinfo=None)),
        put("old", taken_at=datetime(1899, 12, 31, 23, 59, 59, 500, UTC)),
        put("never"),
    )
    exactly = DateRange("taken_at", gte=JULY, lte=JULY)
    assert found(exactly) == ["at", "camera", "elsewhere"]
    assert found(DateRange("taken_at", gt=JULY)) == ["later"]
    assert found(DateRange("taken_at", lt=JULY)) == ["before", "old"]
    assert found(DateRange("taken_at", lt=datetime(1900, 1, 1))) == ["old"]
    assert len(found(DateRange("taken_at"))) == 6


def test_metadata_is_filtered_by_values(subject, put, found):
    subject.store(
        put("a", metadata={"camera": "X100", "lens": "x"}),
        put("b", metadata={"camera": "x100", "owner": "X100"}),
        put("c", metadata={"camera": "Ünïcode = 日本", "lens.mount": "E", "empty": ""}),
        put("d"),
    )
    assert found(MetadataOneOf("camera", ("X100",))) == ["a"]
    assert found(MetadataOneOf("camera", ("X100", "Ünïcode = 日本"))) == ["a", "c"]
    assert found(MetadataOneOf("camera", ())) == []
    assert found(MetadataOneOf("lens.mount", ("E",))) == ["c"]
    assert found(MetadataOneOf("empty", ("",))) == ["c"]
    assert found(Not(MetadataOneOf("camera", ("X100",)))) == ["b", "c", "d"]


ODD_NAMES = [
    "*",
    "cam*",
    "camera.",
    ".camera",
    "a..b",
    ".",
    "..",
    " ",
    "a b",
    "_id",
    "$x",
    '"',
    "'",
    "\\\\",
    "metadata",
    "metadata.camera",
    "_value",
    "_valueAndPath",
    "a" * 300,
    "é",
    "\U0001f43b",
    "?",
    "a=b",
]


def test_a_metadata_name_can_contain_any_characters(subject, put, found):
    subject.store(put("usual", metadata={"camera": "X100"}))
    for name in ODD_NAMES:
        assert found(MetadataOneOf(name, ("X100",))) == []
        assert found(Not(MetadataOneOf(name, ("X100",)))) == ["usual"]
    subject.store(*(put(f"{n}", metadata={name: "X100"}) for n, name in enumerate(ODD_NAMES)))
    for n, name in enumerate(ODD_NAMES):
        assert found(MetadataOneOf(name, ("X100",))) == [f"{n}"]


def test_metadata_is_filtered_by_a_part_of_a_value_without_case(subject, put, found):
    subject.store(
        put("a", metadata={"camera": "Canon EOS 5D", "a.b": "100% _x_ *?\\\\"}),
        put("b", metadata={"camera": "CANON"}),
        put("c", metadata={"camera": "É canön", "lens": "canon"}),
        put("d"),
    )
    assert found(MetadataContains("camera", ("canon",))) == ["a", "b"]
    assert found(MetadataContains("camera", ("cAN",))) == ["a", "b", "c"]
    assert found(MetadataContains("camera", ("nikon", "eos"))) == ["a"]
    assert found(MetadataContains("camera", ("é",))) == []
    assert found(MetadataContains("camera", ("CANö",))) == ["c"]
    assert found(MetadataContains("camera", ())) == []
    assert found(Not(MetadataContains("camera", ("canon",)))) == ["c", "d"]
    for part in ("%", "_X_", "*?", "\\\\", "100% _x_ *?\\\\"):
        assert found(MetadataContains("a.b", (part,))) == ["a"]
    assert found(MetadataContains("a.b", ("?*",))) == []


def test_the_shape_and_the_number_of_pixels_are_filtered(subject, put, found):
    subject.store(
        put("wide", width=40, height=30),
        put("tall", width=30, height=40),
        put("even", width=20, height=20),
        put("none"),
    )
    assert found(OneOf("orientation", ("landscape",))) == ["wide"]
    assert found(OneOf("orientation", ("portrait", "square"))) == ["even", "tall"]
    assert found(NumberRange("pixels", gte=1200)) == ["tall", "wide"]
    assert found(NumberRange("pixels", lt=1200)) == ["even"]


def test_text_fields_are_filtered_by_values(subject, put, found):
    subject.store(
        put("cats/1", content_type="image/png", sha256="1f", phash="00ff00ff00ff00ff"),
        put("dogs/1", content_type="image/webp"),
        put("2"),
    )
    assert found(OneOf("content_type", ("image/png", "image/gif"))) == ["cats/1"]
    assert found(OneOf("collection", ("cats", "dogs"))) == ["cats/1", "dogs/1"]
    assert found(Not(OneOf("collection", ("cats",)))) == ["2", "dogs/1"]
    assert found(OneOf("sha256", ("1f",))) == ["cats/1"]
    assert found(OneOf("phash", ("00ff00ff00ff00ff",))) == ["cats/1"]
    assert len(found(OneOf("model", ("test",)))) == 3


def test_a_filter_requires_or_excludes_a_field(subject, put, found):
    subject.store(
        put("cats/1", metadata={"label": "cat"}, sha256="1f"),
        put("dogs/1", metadata={"label": "", "a.b": "c"}),
        put("2", metadata={"labels": "cat"}),
    )
    assert found(MetadataRecorded("label")) == ["cats/1", "dogs/1"]
    assert found(MetadataRecorded("a.b")) == ["dogs/1"]
    assert found(MetadataRecorded("nothing")) == []
    assert found(Not(MetadataRecorded("label"))) == ["2"]
    assert found(Recorded("collection")) == ["cats/1", "dogs/1"]
    assert found(Not(Recorded("sha256"))) == ["2", "dogs/1"]


def test_filters_combine(subject, put, found):
    subject.store(*(put(f"{'ab'[n % 2]}/{n}", width=n) for n in range(8)))
    small, in_a = NumberRange("width", lt=3), KeyPrefix("a/")
    assert found(AllOf((small, in_a))) == ["a/0", "a/2"]
    assert found(AnyOf((small, in_a))) == ["a/0", "a/2", "a/4", "a/6", "b/1"]
    assert found(Not(AnyOf((small, in_a)))) == ["b/3", "b/5", "b/7"]
    assert len(found(AllOf(()))) == 8
    assert found(AnyOf(())) == []
    assert found(AllOf((small, Not(Not(in_a))))) == ["a/0", "a/2"]


def test_a_filter_matches_images_far_from_the_query(subject, put, unit_vector):
    near = [put(f"near/{number}", number / 100) for number in range(1500)]
    subject.store(*near, put("far/1", 170), put("far/2", 180))
    assert subject.found_keys(unit_vector(0), limit=5, filter=KeyPrefix("far/")) == [
        "far/1",
        "far/2",
    ]
