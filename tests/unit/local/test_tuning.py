"""Claims about the feedback of a folder: which records are read, and which are forgotten."""

import json
from datetime import date

import pytest

from imagesearch.adapters.filesystem.derived_store import FolderDerived
from imagesearch.domain.storage_keys import feedback_key
from imagesearch.feedback import damaged_feedback, pseudonym, set_aside
from imagesearch.learning.tuner import stored_lines
from local.tuning import forgotten_keys

ANNA = pseudonym("key-of-anna")


@pytest.fixture
def feedback(tmp_path) -> FolderDerived:
    store = FolderDerived(tmp_path)
    for day, user in (("2026/01/01", ANNA), ("2026/01/02", ""), ("2025/12/31", "other")):
        record = json.dumps({"time": day, "user": user}).encode()
        store.put(f"feedback/{day}/a.json", record, "application/json")
    store.put("feedback/2026/01/03/damaged.json", b"{", "application/json")
    store.put("thumbnails/a.webp", b"", "image/webp")
    return store


def days(keys):
    return [key.removeprefix("feedback/").rpartition("/")[0] for key in keys]


def test_feedback_is_read_by_day(feedback):
    *records, damaged = stored_lines(feedback)
    days = [json.loads(line)["time"] for line in records]
    assert days == ["2025/12/31", "2026/01/01", "2026/01/02"]
    assert damaged == "{"


def test_feedback_before_a_day_is_forgotten(feedback):
    assert days(forgotten_keys(feedback, "2026-01-02", None)) == ["2025/12/31", "2026/01/01"]


def test_feedback_of_a_user_is_forgotten(feedback):
    assert days(forgotten_keys(feedback, None, ANNA)) == ["2026/01/01"]


def test_damaged_feedback_prevents_no_forgetting(feedback):
    feedback.put("feedback/2026/01/01/deep.json", b"[" * 100_000, "application/json")
    assert days(forgotten_keys(feedback, None, ANNA)) == ["2026/01/01"]


def test_damaged_feedback_is_found_set_aside_and_forgotten(feedback):
    record = json.dumps({"time": "2026/01/04", "user": ANNA}).encode()
    key = feedback_key(date(2026, 1, 4), "one", record)
    feedback.put(key, record, "application/json")
    assert list(damaged_feedback(feedback)) == ["feedback/2026/01/03/damaged.json"]
    assert record.decode() in set(stored_lines(feedback))

    damaged = record.replace(b"2026/01/04", b"2026/01/05")
    feedback.put(key, damaged, "application/json")
    assert list(damaged_feedback(feedback)) == ["feedback/2026/01/03/damaged.json", key]
    assert damaged.decode() not in set(stored_lines(feedback))
    for each in list(damaged_feedback(feedback)):
        set_aside(feedback, each)
    assert list(damaged_feedback(feedback)) == []
    assert len(list(stored_lines(feedback))) == 3
    assert feedback.get(f"{key}.damaged") == damaged
    assert days(forgotten_keys(feedback, None, ANNA)) == ["2026/01/01", "2026/01/04"]
    assert len(list(forgotten_keys(feedback, "2026-02-01", None))) == 5


def test_a_damaged_record_is_of_the_user_whose_pseudonym_it_contains(feedback):
    feedback.put("feedback/2026/01/06/a.json", b'{"user": "%s", "tim' % ANNA.encode(), "")
    assert days(forgotten_keys(feedback, None, ANNA)) == ["2026/01/01", "2026/01/06"]


def test_feedback_that_is_nested_too_deeply_is_forgotten_with_its_pseudonym(feedback):
    feedback.put("feedback/2026/01/06/a.json", b"[" * 100_000, "")
    feedback.put("feedback/2026/01/07/a.json", b"[" * 100_000 + ANNA.encode(), "")
    assert days(forgotten_keys(feedback, None, ANNA)) == ["2026/01/01", "2026/01/07"]


def test_a_pseudonym_does_not_contain_the_key_id():
    assert "anna" not in ANNA
    assert len(ANNA) == 16
    assert pseudonym(None) == pseudonym("") == ""
