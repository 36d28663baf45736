"""What is deleted stays deleted, until somebody who knows of the deletion writes it anew."""

from dataclasses import replace

import pytest

from imagesearch.domain.ports import Delete, Stored, WriteStatus


def test_a_deleted_image_leaves_the_index(subject, put, towards):
    subject.store(put("a.jpg"), put("b.jpg"))
    subject.store(Delete(put("a.jpg").ref, subject.version(put("a.jpg").ref)))
    assert subject.found_keys(towards(0)) == ["b.jpg"]
    assert subject.listed_keys() == ["b.jpg"]
    assert subject.index.health().images == 1


def test_a_deleted_image_is_remembered_by_its_version_alone(subject, put):
    subject.store(put())
    before = subject.version(put().ref)
    subject.store(Delete(put().ref, before))
    (entry,) = subject.index.get([put().ref.id]).values()
    assert entry == Stored(None, entry.version)
    assert entry.version != before


def test_what_was_never_there_can_be_deleted(subject, put, towards):
    subject.store(Delete(put().ref, None))
    assert subject.index.get([put().ref.id])[put().ref.id].document is None
    assert subject.found_keys(towards(0)) == subject.listed_keys() == []


def test_a_first_write_that_comes_after_the_deletion_conflicts(subject, put, towards):
    subject.store(Delete(put().ref, None))
    (result,) = subject.index.write([put()])
    assert result.status is WriteStatus.CONFLICT
    subject.settle()
    assert subject.found_keys(towards(0)) == []


def test_an_image_that_comes_back_is_found_again(subject, put, towards):
    subject.store(put())
    subject.store(Delete(put().ref, subject.version(put().ref)))
    subject.store(replace(put(degrees=90), expected=subject.version(put().ref)))
    assert subject.found_keys(towards(90)) == ["a.jpg"]
    assert subject.nearest(towards(90))[0].score == pytest.approx(1, abs=1e-4)
