"""Facets and the tree of collections, the same from every index."""

import uuid
from datetime import UTC, datetime, timedelta, timezone

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagesearch.access import Scope, ScopedIndex
from imagesearch.domain.facets import MAX_VALUES, FacetName
from imagesearch.domain.filters import KeyPrefix, NumberRange
from imagesearch.domain.folders import CollectionCount
from imagesearch.domain.images import ImageRef, Status
from imagesearch.domain.ports import Delete
from imagesearch.domain.queries import Selection
from tests.support.fake_index import FakeIndex

JULY = datetime(2024, 7, 1, tzinfo=UTC)
PARTS = st.sampled_from(["a", "b", "a-b", "é", "日", "x.y", "*", "\U0001f43b"])
KEYS = st.lists(PARTS, min_size=1, max_size=4).map("/".join)


def values(facets, name):
    return dict(facets.by_name[FacetName(name)].values)


def test_facets_count_the_values_of_a_selection(subject, put):
    eastward = timezone(timedelta(hours=2))
    subject.store(
        put("cats/1", taken_at=JULY, metadata={"camera": "X100"}, width=4000, height=3000),
        put("cats/2", taken_at=datetime(2024, 7, 31, 23), width=3000, height=4000),
        put("cats/old/3", taken_at=datetime(2023, 1, 1, 1, tzinfo=eastward), width=5, height=5),
        put("dogs/4", metadata={"camera": "X100"}, content_type="image/png"),
        put("5", metadata={"camera": "GR"}, content_type="image/png"),
        put("6", status=Status.REJECTED),
    )
    facets = subject.index.facets(Selection(Status.INDEXED))
    assert facets.images == 5
    assert facets.by_name[FacetName.MONTH].values == (("2024-07", 2), ("2022-12", 1))
    assert facets.by_name[FacetName.MONTH].missing == 2
    assert facets.by_name[FacetName.YEAR].values == (("2024", 2), ("2022", 1))
    assert facets.by_name[FacetName.CAMERA].values == (("X100", 2), ("GR", 1))
    assert facets.by_name[FacetName.PIXELS].values == (("0", 1), ("3", 2))
    assert values(facets, "orientation") == {"landscape": 1, "portrait": 1, "square": 1}
    assert values(facets, "content_type") == {"image/png": 2}
    assert facets.by_name[FacetName.COLLECTION].values == (("cats", 3), ("dogs", 1))
    assert facets.by_name[FacetName.COLLECTION].missing == 1
    nested = subject.index.facets(Selection(Status.INDEXED, "cats"))
    assert values(nested, "collection") == {"cats/old": 1}
    wide = subject.index.facets(Selection(Status.INDEXED, filter=NumberRange("width", gte=4000)))
    assert (wide.images, values(wide, "camera")) == (1, {"X100": 1})


def test_the_values_of_a_facet_are_bounded(subject, put):
    cameras = [f"camera {number:03}" for number in range(MAX_VALUES + 5)]
    subject.store(
        *(put(f"{camera}/x", metadata={"camera": camera}) for camera in cameras),
        put("more", metadata={"camera": cameras[-1]}),
    )
    facet = subject.index.facets().by_name[FacetName.CAMERA]
    assert facet.values[:2] == ((cameras[-1], 2), (cameras[0], 1))
    assert (len(facet.values), facet.others, facet.missing) == (MAX_VALUES, 5, 0)
    assert subject.index.facets().by_name[FacetName.COLLECTION].others == 5


def test_an_empty_index_has_no_values_and_no_collections(subject):
    facets = subject.index.facets()
    assert facets.images == 0
    assert all(facet.values == () for facet in facets.by_name.values())
    assert subject.index.collections(depth=3, limit=10) == []


def test_collections_form_a_tree_with_exact_counts(subject, put):
    deleted = ImageRef("bucket", "gone/1")
    subject.store(
        *(put(key) for key in ["1", "cats/1", "cats/kittens/2", "cats/kittens/new/3", "cats-x/4"]),
        put("dogs/5"),
        put("dogs/6", status=Status.REJECTED),
        put("gone/1"),
    )
    subject.store(Delete(deleted, subject.version(deleted)))
    indexed = Selection(Status.INDEXED)
    assert subject.index.collections(indexed, depth=1, limit=10) == [
        CollectionCount("cats-x", 1, nested=False),
        CollectionCount("cats", 3, nested=True),
        CollectionCount("dogs", 1, nested=False),
    ]
    assert subject.index.collections(Selection(Status.INDEXED, "cats"), depth=2, limit=10) == [
        CollectionCount("cats/kittens", 2, nested=True),
        CollectionCount("cats/kittens/new", 1, nested=False),
    ]
    scoped = ScopedIndex(subject.index, Scope(frozenset({"dogs", "cats/kittens"})))
    assert [each.path for each in scoped.collections(indexed, depth=9, limit=10)] == [
        *("cats", "cats/kittens", "cats/kittens/new", "dogs"),
    ]
    assert scoped.collections(indexed, depth=1, limit=1) == [
        CollectionCount("cats", 2, nested=True)
    ]
    assert scoped.facets(indexed).images == 3


def test_a_nested_collection_selects_its_images_everywhere(subject, put, unit_vector):
    keys = ["a/b/1", "a/b/c/2", "a/bb/3", "a/4", "b/5"]
    subject.store(*(put(key) for key in keys))
    for collection, count in (("a", 4), ("a/b", 2), ("a/b/c", 1), ("b/c", 0), ("a/", 0)):
        selection = Selection(collection=collection)
        inside = [key for key in keys if key.startswith(f"{collection}/")]
        assert subject.index.count(selection) == len(inside) == count
        assert subject.listed_keys(collection=collection) == sorted(inside)
        assert sorted(subject.found_keys(unit_vector(0), collection=collection)) == sorted(inside)
        found = subject.found_keys(unit_vector(0), collection=collection, filter=KeyPrefix("a/b/c"))
        assert found == [key for key in inside if key == "a/b/c/2"]


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    keys=st.lists(KEYS, min_size=1, max_size=25, unique=True),
    parent=st.just("") | KEYS.map(lambda key: f"/{key}"),
    depth=st.integers(1, 4),
    limit=st.integers(1, 4),
)
def test_pages_of_collections_and_facets_equal_those_of_the_reference(
    subject, put, keys, parent, depth, limit
):
    """Each example has a collection of its own in the same index."""
    own, reference = uuid.uuid4().hex, FakeIndex()
    writes = [put(f"{own}/{key}", width=len(key), height=3) for key in keys]
    reference.write(writes)
    subject.store(*writes)
    selection = Selection(Status.INDEXED, f"{own}{parent}")
    found, after = [], None
    while page := subject.index.collections(selection, depth=depth, after=after, limit=limit):
        found += page
        after = page[-1].path
    assert found == reference.collections(selection, depth=depth, limit=1000)
    assert subject.index.facets(selection) == reference.facets(selection)


def test_a_folder_of_thousands_of_folders_is_skipped(subject, put):
    """An OpenSearch response has up to 1,000 folders."""
    subject.store(*(put(f"a/{number:04}/x") for number in range(1100)), put("b/y"), put("c"))
    found = subject.index.collections(depth=1, limit=5)
    assert found == [CollectionCount("a", 1100, nested=True), CollectionCount("b", 1, nested=False)]
    after = subject.index.collections(depth=2, after="a/0998", limit=3)
    assert [each.path for each in after] == ["a/0999", "a/1000", "a/1001"]


def test_collections_end_at_sixteen_levels(subject, put):
    levels = [str(number) for number in range(18)]
    subject.store(put("/".join(levels)))
    found = subject.index.collections(depth=20, limit=100)
    assert (len(found), found[-1].nested) == (16, False)
    assert subject.index.collections(Selection(collection=found[-1].path), depth=1, limit=9) == []
