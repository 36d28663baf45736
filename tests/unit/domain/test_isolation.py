"""Isolation: a fault of one image does not affect the others."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from imagesearch.domain import isolation
from imagesearch.domain.errors import ConfigurationError, Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.indexing.planner import OutcomeKind
from tests.support.fakes import BUCKET, picture, ref, vector
from tests.support.faults import FAULTS, STEPS, FaultyBucket


@settings(max_examples=150, derandomize=True, deadline=None)
@given(FAULTS)
def test_a_fault_affects_only_its_own_image(faults):
    faulty_bucket = FaultyBucket(faults)
    outcomes = faulty_bucket.indexer.process([ref(key) for key in faulty_bucket.keys])
    assert sorted(outcome.ref.key for outcome in outcomes) == sorted(faulty_bucket.keys)
    kinds = {outcome.ref.key: outcome.kind for outcome in outcomes}
    for key in faulty_bucket.keys:
        without_faults = key in faulty_bucket.without_faults
        assert kinds[key] is (OutcomeKind.INDEXED if without_faults else OutcomeKind.FAILED), key
    assert set(faulty_bucket.without_faults) <= set(faulty_bucket.index.keys())
    assert all(
        faulty_bucket.index.document(key).neighbors is not None
        for key in faulty_bucket.without_faults
    )


@settings(max_examples=50, derandomize=True, deadline=None)
@given(FAULTS)
def test_a_failed_image_is_indexed_after_its_fault_is_fixed(faults):
    faulty_bucket = FaultyBucket(faults)
    refs = [ref(key) for key in faulty_bucket.keys]
    faulty_bucket.indexer.process(refs)
    faulty_bucket.index.faults.of.clear()
    outcomes = faulty_bucket.indexer.process(refs)
    assert not [outcome for outcome in outcomes if outcome.kind is OutcomeKind.FAILED]
    assert faulty_bucket.index.keys() == sorted(faulty_bucket.keys)
    assert all(
        faulty_bucket.index.document(key).neighbors is not None for key in faulty_bucket.keys
    )


@pytest.mark.parametrize("step", STEPS)
def test_the_reason_names_the_exception_and_asks_for_a_report(step):
    faulty_bucket = FaultyBucket({0: (step, ZeroDivisionError)})
    kind = "LookupError" if step == "planning" else "ZeroDivisionError"
    [outcome] = faulty_bucket.indexer.process([ref("0")])
    assert outcome.reason == f"internal error: {kind}: a fault at {step}; please report it"


@pytest.mark.parametrize("step", STEPS)
def test_a_fault_is_logged_once_with_its_location_and_without_the_exception_message(step, caplog):
    caplog.set_level("INFO", isolation.__name__)
    FaultyBucket({0: (step, ZeroDivisionError)}).indexer.process([ref(f"{n}") for n in (0, 3, 6)])
    [line] = [record.getMessage() for record in caplog.records]
    assert ref("0").id in line
    assert 'File "' in line
    assert f"a fault at {step}" not in line


def test_the_older_version_is_found_if_a_newer_one_causes_a_fault():
    faulty_bucket = FaultyBucket({})
    faulty_bucket.indexer.process([ref("0")])
    faulty_bucket.store.put("0", picture("newer"))
    faulty_bucket.index.faults.of["newer"] = ("decode", ZeroDivisionError)
    [outcome] = faulty_bucket.indexer.process([ref("0")])
    assert outcome.kind is OutcomeKind.FAILED
    assert (faulty_bucket.index.embedding_of("0") == vector("0")).all()


def test_a_key_that_is_not_text_affects_no_other():
    faulty_bucket = FaultyBucket({})
    odd = ImageRef(BUCKET, "half \ud800 a pair.png")
    failed, indexed = sorted(
        faulty_bucket.indexer.process([odd, ref("0")]), key=lambda outcome: outcome.kind.value
    )
    assert (failed.ref, failed.kind) == (odd, OutcomeKind.FAILED)
    assert (indexed.ref, indexed.kind) == (ref("0"), OutcomeKind.INDEXED)


@pytest.mark.parametrize("step", ["get", "write", "decode"])
def test_a_system_wide_error_is_raised_immediately(step):
    with pytest.raises(ConfigurationError):
        FaultyBucket({0: (step, ConfigurationError)}).indexer.process([ref("0"), ref("3")])


def test_an_unavailable_service_is_called_once_per_batch():
    faulty_bucket = FaultyBucket({0: ("write", Unavailable)})
    outcomes = faulty_bucket.indexer.process([ref("0"), ref("3")])
    assert {outcome.kind for outcome in outcomes} == {OutcomeKind.FAILED}


@pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
def test_an_interrupt_is_not_recorded_as_a_fault(exception):
    with pytest.raises(exception):
        FaultyBucket({0: ("decode", exception)}).indexer.process([ref("0")])
