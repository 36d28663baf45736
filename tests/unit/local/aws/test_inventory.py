"""Claims: a listing from S3 Inventory is that of the bucket, sorted; other reports are refused."""

import io
import sqlite3
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagesearch.domain.images import ImageRef
from local.aws.inventory import InventoriedStore
from local.errors import UsageError
from tests.support.aws.inventory import FOLDER, damaged, report, row


def s3(objects: dict[str, bytes]):
    folders = {f"{FOLDER}/{key.removeprefix(FOLDER).split('/')[1]}/" for key in objects}
    page = {"CommonPrefixes": [{"Prefix": each} for each in sorted(folders)]} if objects else {}
    return SimpleNamespace(
        get_object=lambda Bucket, Key: {"Body": io.BytesIO(objects[Key])},  # noqa: N803
        get_paginator=lambda _: SimpleNamespace(paginate=lambda **_: [page]),
    )


def listed(objects: dict[str, bytes], after: str = "", uri: str = f"s3://inventory/{FOLDER}"):
    client = s3(objects)
    return list(InventoriedStore("photos", uri, client).list_images(after))


@settings(max_examples=30, deadline=None)
@given(
    st.sets(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6), max_size=12),
    st.text("aé/🐈!", max_size=2),
    st.randoms(use_true_random=False),
)
def test_keys_of_several_files_are_ordered_by_their_bytes(keys, after, random):
    shuffled = sorted(keys)
    random.shuffle(shuffled)
    half = len(keys) // 2
    found = listed(
        report([row(key) for key in shuffled[:half]], [*map(row, shuffled[half:])]), after
    )
    expected = sorted((key for key in keys if key.encode() > after.encode()), key=str.encode)
    assert [ref for ref, _ in found] == [ImageRef("photos", key) for key in expected]
    assert [state.size for _, state in found] == [len(key) for key in expected]


def test_a_full_disk_is_named(monkeypatch):
    connect = sqlite3.connect

    def full(name):
        database = connect(name)
        database.execute("PRAGMA max_page_count = 1")
        return database

    monkeypatch.setattr(sqlite3, "connect", full)
    with pytest.raises(UsageError, match=r"cannot sort .*: database or disk is full: set TMPDIR"):
        listed(report([row("a.jpg")]))


def test_a_report_that_cannot_be_used_is_refused():
    for objects in (report(sourceBucket="others"), damaged(report([row("a.jpg")]))):
        with pytest.raises(UsageError, match=r"is an inventory of s3://others|is damaged"):
            listed(objects)
