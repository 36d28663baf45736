"""Lookup by SHA-256 returns one indexed image per content, with its embedding."""

from dataclasses import replace

import numpy as np
import pytest

from imagesearch.access import Scope, ScopedIndex
from imagesearch.domain.images import Status
from imagesearch.domain.ports import Delete, Put

A, B, C = ("a" * 64, "b" * 64, "c" * 64)
DECODER = "decoder 1"


@pytest.fixture
def keys(subject):
    """The found keys, by hash."""

    def keys(*hashes, decoder=DECODER):
        found = subject.index.by_sha256(hashes, decoder)
        return {sha256: scanned.document.ref.key for sha256, scanned in found.items()}

    return keys


def test_each_hash_returns_its_image_with_record_and_embedding(subject, put):
    writes = [put("a.jpg", 10, sha256=A, width=7), put("b.jpg", 20, sha256=B)]
    subject.store(*writes)
    found = subject.index.by_sha256([A, C, B, A], DECODER)
    assert found.keys() == {A, B}
    for write in writes:
        scanned = found[write.document.sha256]
        assert scanned.document == write.document
        assert scanned.embedding.dtype == np.float32
        np.testing.assert_allclose(scanned.embedding, write.embedding, atol=1e-6)


def test_an_index_without_images_finds_nothing(subject, keys):
    assert keys(A) == {}
    assert keys() == {}


def test_one_of_several_images_of_the_same_content_is_found(subject, put, keys):
    subject.store(*(put(f"{n}.jpg", n, sha256=A) for n in range(30)))
    found = keys(A)
    assert found.keys() == {A}
    assert found[A] in {f"{n}.jpg" for n in range(30)}


def test_images_of_another_decoder_are_not_found_by_content(subject, put, keys):
    subject.store(
        put("old.jpg", sha256=A, decoder="decoder 0"),
        put("new.jpg", sha256=A, decoder=DECODER),
        put("other.jpg", sha256=B, decoder="decoder 0"),
    )
    assert keys(A, B) == {A: "new.jpg"}
    assert keys(A, B, decoder="decoder 0") == {A: "old.jpg", B: "other.jpg"}


def test_images_without_an_embedding_are_not_found_by_content(subject, document, keys):
    rejected = document("r.jpg", sha256=A, status=Status.REJECTED, reason="broken")
    subject.store(Put(rejected, None, None), Put(document("n.jpg", sha256=B), None, None))
    assert keys(A, B) == {}


def test_deleted_and_overwritten_images_are_not_found_by_content(subject, put, keys):
    gone, changed = put("gone.jpg", sha256=A), put("changed.jpg", sha256=B)
    subject.store(gone, changed)
    newer = replace(changed.document, sha256=C)
    subject.store(
        Delete(gone.ref, subject.version(gone.ref)),
        Put(newer, changed.embedding, subject.version(changed.ref)),
    )
    assert keys(A, B, C) == {C: "changed.jpg"}


def test_many_hashes_are_looked_up_in_one_call(subject, put, keys):
    hashes = [f"{n:064x}" for n in range(300)]
    subject.store(*(put(f"{n}.jpg", n, sha256=hashes[n]) for n in range(0, 300, 2)))
    assert keys(*hashes) == {hashes[n]: f"{n}.jpg" for n in range(0, 300, 2)}


def test_a_scope_restricts_the_lookup_by_content(subject, put):
    subject.store(put("cats/1.jpg", sha256=A), put("dogs/1.jpg", sha256=B))
    scoped = ScopedIndex(subject.index, Scope(frozenset({"cats"})))
    found = scoped.by_sha256([A, B], DECODER)
    assert [scanned.document.ref.key for scanned in found.values()] == ["cats/1.jpg"]
