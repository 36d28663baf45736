"""Images with neighbours are read without the rest; those without any are not among them."""

from dataclasses import replace
from datetime import timedelta

import pytest

from imagesearch.domain.images import Linked, Neighbour
from imagesearch.domain.ports import Delete, Put, Touch

ONE = Neighbour("one", "1" * 64, 0.9876, 0.97)
OTHER = Neighbour("other", "2" * 64, -0.5, 0.8)


@pytest.fixture
def linked(subject):
    return lambda **more: list(subject.index.linked(**more))


def test_an_index_without_images_has_no_links(linked):
    assert linked() == []


def test_links_are_read_in_the_order_of_keys_with_what_tells_duplicates_apart(subject, put, linked):
    subject.store(
        put("b", sha256="b" * 64, neighbours=(OTHER, ONE)),
        put("Ünï 日本/a", sha256="a" * 64, neighbours=(ONE,)),
        put("nobody", sha256="c" * 64, neighbours=()),
        put("unlinked", sha256="d" * 64),
    )
    found = linked()
    assert [(each.key, each.id, each.sha256) for each in found] == [
        ("b", put("b").ref.id, "b" * 64),
        ("Ünï 日本/a", put("Ünï 日本/a").ref.id, "a" * 64),
    ]
    assert sorted(found[0].neighbours, key=str) == [ONE, OTHER]
    assert found[1] == Linked(found[1].id, "Ünï 日本/a", "a" * 64, (ONE,))


def test_links_of_one_collection(subject, put, linked):
    for key in ("cats/1", "cats/2/3", "cats-and-dogs/1", "dogs/1", "cats"):
        subject.store(put(key, sha256="a" * 64, neighbours=(ONE,)))
    assert [each.key for each in linked(collection="cats")] == ["cats/1", "cats/2/3"]
    assert linked(collection="none") == []
    assert len(linked()) == 5


def test_a_later_write_of_links_takes_the_place_of_the_earlier_one(subject, put, document, linked):
    subject.store(put("a", sha256="a" * 64))
    for neighbours in ((ONE,), (OTHER,)):
        touched = document("a", sha256="a" * 64, neighbours=neighbours)
        subject.store(Touch(touched, subject.version(touched.ref)))
        assert [each.neighbours for each in linked()] == [neighbours]
    subject.store(Touch(replace(touched, neighbours=()), subject.version(touched.ref)))
    assert linked() == []


def test_links_go_with_the_image(subject, put, linked):
    for key in ("gone", "overwritten"):
        subject.store(put(key, sha256="a" * 64, neighbours=(ONE,)))
    gone, overwritten = put("gone").ref, put("overwritten")
    subject.store(Delete(gone, subject.version(gone)))
    subject.store(
        Put(overwritten.document, overwritten.embedding, subject.version(overwritten.ref))
    )
    assert linked() == []


def test_writing_links_leaves_the_image_as_it_is_found(subject, put, document, towards):
    subject.store(put("a", 0), put("b", 90))
    touched = document("a", neighbours=(ONE,))
    subject.store(Touch(touched, subject.version(touched.ref)))
    assert subject.found_keys(towards(0)) == ["a", "b"]
    assert subject.document(touched.ref) == touched


def test_an_index_says_how_long_a_write_takes_to_be_found(subject):
    assert timedelta(0) <= subject.index.settles_after < timedelta(minutes=15)
