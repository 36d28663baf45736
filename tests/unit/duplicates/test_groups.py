"""Groups: each group of current duplicates is listed once, with the most likely original first."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.images import Document, Neighbor, Status
from imagesearch.domain.ports import Put
from imagesearch.duplicates.groups import MAX_SHOWN, DuplicateFinder
from tests.support.fakes import START, ref, vector


@pytest.fixture
def groups(index):
    return DuplicateFinder(index)


@pytest.fixture
def put(index):
    """Stores an image with links: `near` has the keys and confidences."""

    def put(key, near=None, **changes):
        document = Document(
            ref(key), Status.INDEXED, "e", START, 10, START, "m", "d", sha256=key, width=1, height=1
        )
        neighbours = tuple(
            Neighbor(ref(other).id, changes.get("sha256", other), 0.9, confidence)
            for other, confidence in (near or {}).items()
        )
        known = index.get([ref(key).id]).get(ref(key).id)
        made = replace(document, neighbors=neighbours, **changes)
        index.write([Put(made, vector(key), known and known.version)])

    return put


def keys(page):
    return [[document.ref.key for document in group.documents] for group in page.groups]


def test_an_index_without_duplicates_has_no_groups(groups, put):
    put("a")
    put("b")
    page = groups.page()
    assert (page.groups, page.cursor) == ([], None)


def test_a_link_on_one_side_makes_a_group(groups, put):
    put("a")
    put("b", {"a": 0.99})
    assert keys(groups.page()) == [["a", "b"]]


def test_transitively_linked_images_are_one_group(groups, put):
    put("a")
    put("b", {"a": 0.99})
    put("c", {"b": 0.99})
    put("d", {"c": 0.99})
    put("x")
    put("y", {"x": 0.99})
    assert keys(groups.page()) == [["a", "b", "c", "d"], ["x", "y"]]


def test_links_below_the_threshold_are_ignored(groups, put):
    put("a")
    put("b", {"a": 0.9})
    assert keys(groups.page(threshold=0.95)) == []
    assert keys(groups.page(threshold=0.85)) == [["a", "b"]]


def test_a_deleted_image_leaves_its_group(groups, put, index):
    put("a")
    put("b", {"a": 0.99})
    put("c", {"a": 0.99})
    index.entries[ref("a").id] = None, None, 100
    assert keys(groups.page()) == []


def test_an_overwritten_image_leaves_its_group(groups, put):
    put("a")
    put("b", {"a": 0.99})
    put("a", sha256="others")
    assert keys(groups.page()) == []


def test_an_image_overwritten_between_two_reads_is_excluded(groups, put, index):
    put("a")
    put("b", {"a": 0.99})
    before = list(index.linked())
    put("b", sha256="others")
    index.linked = lambda *, collection: iter(before)
    assert keys(groups.page()) == []


def test_rejected_images_are_in_no_group(groups, put):
    put("a", status=Status.REJECTED)
    put("b", {"a": 0.99})
    assert keys(groups.page()) == []


def test_a_group_is_split_when_its_connecting_image_is_deleted(groups, put, index):
    for key, near in (("a", {}), ("b", {"a": 0.99}), ("m", {"b": 0.99, "x": 0.99})):
        put(key, near)
    put("x")
    put("y", {"x": 0.99})
    assert keys(groups.page()) == [["a", "b", "m", "x", "y"]]
    index.entries[ref("m").id] = None, None, 100
    assert sorted(keys(groups.page())) == [["a", "b"], ["x", "y"]]


def test_groups_of_a_collection_contain_only_its_images(groups, put):
    put("cats/a")
    put("cats/b", {"cats/a": 0.99, "dogs/a": 0.99})
    put("dogs/a", {"cats/b": 0.99})
    assert keys(groups.page(collection="cats")) == [["cats/a", "cats/b"]]
    assert keys(groups.page(collection="dogs")) == []


def test_exact_copies_are_distinguished_from_near_duplicates(groups, put):
    put("a", sha256="same")
    put("b", {"a": 1.0}, sha256="same")
    put("c", {"a": 1.0}, sha256="same")
    put("x")
    put("y", {"x": 0.99})
    assert [group.kind for group in groups.page().groups] == ["exact", "near"]
    assert keys(groups.page())[0] == ["a", "b", "c"]


RAW, JPEG, HEIC = "image/x-canon-cr2", "image/jpeg", "image/heic"


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"a/IMG_1.CR2": RAW, "a/IMG_1.JPG": JPEG}, "raw+jpeg"),
        ({"a/IMG_1.CR2": RAW, "a/img_1.cr2.jpg": JPEG}, "raw+jpeg"),
        ({"a/IMG_1.CR2": RAW, "a/IMG_1.HEIC": HEIC}, "raw+jpeg"),
        ({"a/IMG_1.CR2": RAW, "a/IMG_1.dng": RAW, "a/IMG_1.JPG": JPEG}, "raw+jpeg"),
        ({"raw/IMG_1.CR2": RAW, "jpg/IMG_1.JPG": JPEG}, "raw+jpeg"),
        ({"a/IMG_1.CR2": RAW, "a/beach.jpg": JPEG}, "raw+jpeg"),
        ({"a/IMG_1.CR2": RAW, "a/IMG_1.JPG": JPEG, "a/small.jpg": JPEG}, "near"),
        ({"a/IMG_1.CR2": RAW, "a/IMG_2.CR2": RAW, "a/IMG_1.JPG": JPEG}, "near"),
        ({"a/IMG_1.CR2": RAW, "a/IMG_1.dng": RAW}, "near"),
        ({"a/IMG_1.JPG": JPEG, "a/IMG_1.HEIC": HEIC}, "near"),
    ],
)
def test_raw_and_jpeg_of_one_shot_are_distinguished_from_edited_copies(groups, put, members, kind):
    first, *others = members
    put(first, content_type=members[first])
    for key in others:
        put(key, {first: 0.99}, content_type=members[key])
    [group] = groups.page().groups
    assert (group.kind, group.size) == (kind, len(members))


def test_copies_of_a_raw_file_and_of_its_jpeg_are_still_one_shot(groups, put):
    put("a/1.cr2", content_type=RAW)
    put("backup/1.cr2", {"a/1.cr2": 1.0}, content_type=RAW, sha256="a/1.cr2")
    assert [group.kind for group in groups.page().groups] == ["exact"]
    put("a/1.jpg", {"a/1.cr2": 0.99}, content_type=JPEG)
    assert [(group.kind, group.size) for group in groups.page().groups] == [("raw+jpeg", 3)]


def test_a_raw_file_is_the_original_of_its_derivatives(groups, put):
    put("a/1.jpg", width=40, height=40, content_type=JPEG)
    put("a/1.cr2", {"a/1.jpg": 0.99}, width=20, height=20, content_type=RAW)
    assert keys(groups.page()) == [["a/1.cr2", "a/1.jpg"]]


def test_the_largest_is_the_original_then_the_oldest_then_the_one_with_most_bytes(groups, put):
    later = START + timedelta(days=1)
    camera = datetime(2020, 5, 1, 12, 0)
    put("small", width=10, height=10, taken_at=camera)
    put("later", {"small": 0.99}, width=20, height=20, last_modified=later, size=99)
    put("light", {"small": 0.99}, width=20, height=20, size=10)
    put("heavy", {"small": 0.99}, width=20, height=20, size=11)
    put("taken", {"small": 0.99}, width=20, height=20, taken_at=camera, last_modified=later)
    assert keys(groups.page()) == [["taken", "heavy", "light", "later", "small"]]


def test_pages_show_each_group_once(groups, put):
    for number in range(7):
        put(f"{number}-a")
        put(f"{number}-b", {f"{number}-a": 0.99})
    found, cursor = [], None
    while True:
        page = groups.page(limit=3, cursor=cursor)
        found += keys(page)
        if (cursor := page.cursor) is None:
            break
    assert found == [[f"{number}-a", f"{number}-b"] for number in range(7)]


def test_a_page_without_remaining_groups_continues(groups, put, index):
    for number in range(4):
        put(f"{number}-a")
        put(f"{number}-b", {f"{number}-a": 0.99})
    for number in range(3):
        index.entries[ref(f"{number}-a").id] = None, None, 100
    assert keys(groups.page(limit=1)) == [["3-a", "3-b"]]


def test_a_large_group_is_truncated_and_its_size_is_returned(groups, put):
    count = MAX_SHOWN + 50
    put("000")
    for number in range(1, count):
        put(f"{number:03d}", {"000": 0.99})
    [group] = groups.page().groups
    assert group.size == count
    assert len(group.documents) == MAX_SHOWN


@pytest.mark.parametrize("threshold", [0, 0.5, 1.0, 1.5, -1, float("nan")])
def test_an_invalid_threshold_is_rejected(groups, threshold):
    with pytest.raises(InvalidQuery) as raised:
        groups.page(threshold=threshold)
    assert raised.value.code == "invalid_threshold"


@pytest.mark.parametrize("limit", [0, -1, 101])
def test_a_limit_out_of_range_is_rejected(groups, limit):
    with pytest.raises(InvalidQuery) as raised:
        groups.page(limit=limit)
    assert raised.value.code == "invalid_limit"


def test_a_cursor_is_valid_for_its_threshold_and_collection_only(groups, put):
    for number in range(2):
        put(f"{number}-a")
        put(f"{number}-b", {f"{number}-a": 0.99})
    cursor = groups.page(limit=1).cursor
    for other in ({"threshold": 0.9}, {"collection": "cats"}):
        with pytest.raises(InvalidQuery) as raised:
            groups.page(limit=1, cursor=cursor, **other)
        assert raised.value.code == "invalid_cursor"
