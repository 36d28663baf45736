"""Planner: decisions without I/O."""

from dataclasses import replace
from datetime import timedelta

import pytest

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, ObjectState, Status
from imagesearch.domain.ports import Delete, Put, Stored, Touch
from imagesearch.indexing.planner import (
    ExistingObject,
    Observed,
    Outcome,
    OutcomeKind,
    PlannedWrite,
    Planner,
)
from tests.support.fakes import START, FakeImages, picture, ref, vector

KEY = ref("a.png")
STATE = ObjectState("etag", START, 10, {"label": "cat"})
SHA256 = 64 * "a"
NOW = START + timedelta(days=1)


@pytest.fixture
def planner() -> Planner:
    return Planner(FakeImages(), clock=lambda: NOW)


@pytest.fixture
def indexed(planner) -> Stored:
    [image] = FakeImages().encode_images([picture("a")], DetailOptions())
    planned = planner.record(ExistingObject(Observed(KEY, STATE, None), STATE), SHA256, image)
    return Stored(planned.write.document, (4, 1))


@pytest.fixture
def rejected(planner) -> Stored:
    planned = planner.reject(ExistingObject(Observed(KEY, STATE, None), STATE), "cannot be decoded")
    return Stored(planned.write.document, (5, 1))


@pytest.mark.parametrize(
    ("key", "content_type", "older", "again"),
    [
        ("a.NEF", "image/tiff", True, True),
        ("a.NEF", "image/tiff", False, False),
        ("a.NEF", "image/x-nikon-nef", True, False),
        ("a.tif", "image/tiff", True, False),
    ],
)
def test_camera_raw_decoded_as_tiff_by_an_older_decoder_is_read_again(
    key, content_type, older, again, planner, indexed
):
    decoder = "an older one" if older else indexed.document.decoder
    changed = replace(
        indexed.document, ref=ref(key), content_type=content_type, decoder=decoder, neighbors=()
    )
    decided = planner.decide(Observed(ref(key), STATE, Stored(changed, (4, 1))))
    assert isinstance(decided, ExistingObject) is again


DELETED = Stored(None, (6, 1))


def test_an_unknown_object_is_read(planner):
    assert isinstance(planner.decide(Observed(KEY, STATE, None)), ExistingObject)


def test_an_object_created_after_a_deletion_is_read(planner):
    assert isinstance(planner.decide(Observed(KEY, STATE, DELETED)), ExistingObject)


def test_an_unchanged_state_is_skipped(planner, indexed):
    linked = Stored(replace(indexed.document, neighbors=()), indexed.version)
    assert planner.decide(Observed(KEY, STATE, linked)) == Outcome(KEY, OutcomeKind.UNCHANGED)


def test_an_unchanged_state_is_linked_if_not_linked_yet(planner, indexed):
    unchanged = Outcome(KEY, OutcomeKind.UNCHANGED, unlinked=True)
    assert planner.decide(Observed(KEY, STATE, indexed)) == unchanged


def test_details_of_the_file_are_kept_with_new_object_metadata(planner):
    [image] = FakeImages().encode_images([picture("a by X100")], DetailOptions())
    found = ExistingObject(Observed(KEY, STATE, None), STATE)
    document = planner.record(found, SHA256, image).write.document
    assert document.metadata == {"camera": "X100", "label": "cat"}
    seen = Observed(KEY, replace(STATE, metadata={"label": "dog"}), Stored(document, (4, 1)))
    touched = planner.decide(seen).write.document
    assert touched.metadata == {"camera": "X100", "label": "dog"}
    assert touched.phash == document.phash == image.details.phash
    assert touched.miniature == document.miniature == image.details.miniature
    again = Observed(KEY, seen.state, Stored(touched, (5, 1)))
    assert planner.decide(again).kind is OutcomeKind.UNCHANGED


def test_object_metadata_takes_precedence_over_details_of_the_file(planner):
    [image] = FakeImages().encode_images([picture("a by X100")], DetailOptions())
    state = replace(STATE, metadata={"camera": "a Leica"})
    planned = planner.record(ExistingObject(Observed(KEY, state, None), state), SHA256, image)
    document = planned.write.document
    assert document.metadata == {"camera": "a Leica"}
    back = planner.decide(Observed(KEY, replace(STATE, metadata={}), Stored(document, (4, 1))))
    assert back.write.document.metadata == {"camera": "X100"}


def test_a_record_of_an_older_release_is_read_for_missing_details(planner, indexed):
    older = Stored(replace(indexed.document, miniature=None), indexed.version)
    assert isinstance(planner.decide(Observed(KEY, STATE, older)), ExistingObject)


def test_a_changed_etag_is_read(planner, indexed):
    assert isinstance(
        planner.decide(Observed(KEY, replace(STATE, etag="new"), indexed)), ExistingObject
    )


@pytest.mark.parametrize(
    "change", [{"last_modified": NOW}, {"metadata": {"label": "dog"}}, {"metadata": {}}]
)
def test_new_metadata_or_time_touches_the_record_and_keeps_the_embedding(planner, indexed, change):
    state = replace(STATE, **change)
    step = planner.decide(Observed(KEY, state, indexed))
    assert isinstance(step, PlannedWrite)
    assert isinstance(step.write, Touch)
    assert step.write.expected == (4, 1)
    assert step.write.document == replace(indexed.document, indexed_at=NOW, **change)
    assert step.outcome.kind is OutcomeKind.UPDATED


def test_a_missing_object_is_deleted_conditionally(planner, indexed):
    step = planner.decide(Observed(KEY, None, indexed))
    assert isinstance(step, PlannedWrite)
    assert step.write == Delete(KEY, (4, 1))


def test_a_missing_unknown_object_records_the_deletion(planner):
    step = planner.decide(Observed(KEY, None, None))
    assert isinstance(step, PlannedWrite)
    assert step.write == Delete(KEY, None)


def test_a_tombstone_is_not_written_again(planner):
    assert planner.decide(Observed(KEY, None, DELETED)) == Outcome(KEY, OutcomeKind.DELETED)


def test_a_rejected_image_stays_rejected_with_its_reason(planner, rejected):
    step = planner.decide(Observed(KEY, STATE, rejected))
    assert step == Outcome(KEY, OutcomeKind.UNCHANGED, "cannot be decoded")


def test_new_metadata_of_a_rejected_image_is_recorded_without_reading_it(planner, rejected):
    step = planner.decide(Observed(KEY, replace(STATE, last_modified=NOW), rejected))
    assert isinstance(step, PlannedWrite)
    assert step.write.document.status is Status.REJECTED
    assert step.outcome.reason == "cannot be decoded"


def test_a_newer_decoder_rereads_rejected_images(rejected):
    newer = Planner(FakeImages(decoder="fake 2"), clock=lambda: NOW)
    assert isinstance(newer.decide(Observed(KEY, STATE, rejected)), ExistingObject)


def test_a_rejection_has_no_embedding_and_replaces_the_earlier_record(planner, indexed):
    planned = planner.reject(
        ExistingObject(Observed(KEY, STATE, indexed), STATE), "cannot be decoded"
    )
    assert isinstance(planned.write, Put)
    assert planned.write.embedding is None
    assert planned.write.expected == (4, 1)


def test_an_object_that_is_not_an_image_is_skipped_and_a_former_image_deleted(planner, indexed):
    found = ExistingObject(Observed(KEY, STATE, None), STATE)
    assert planner.skip(found) == Outcome(KEY, OutcomeKind.SKIPPED)
    step = planner.skip(ExistingObject(Observed(KEY, STATE, indexed), STATE))
    assert isinstance(step, PlannedWrite)
    assert step.write == Delete(KEY, (4, 1))
    assert step.outcome.kind is OutcomeKind.SKIPPED


def test_a_record_has_the_embedding_of_the_encoder(planner):
    [image] = FakeImages().encode_images([picture("a")], DetailOptions())
    assert not isinstance(image, UnreadableImage)
    planned = planner.record(ExistingObject(Observed(KEY, STATE, None), STATE), SHA256, image)
    assert (planned.write.embedding == vector("a")).all()
    assert planned.write.document.indexed_at == NOW
