"""Claims: a fault costs the keys that it touches, and bounds hold."""

from imagesearch.indexing.indexer import KEYS_AT_A_TIME, Indexer, Limits
from tests.support.fakes import picture, ref
from tests.support.looking import look


def test_a_file_over_the_limit_is_rejected_unread(store, index, images):
    store.put("big.png", picture("x" * 200))
    small = Indexer(store, index, images, Limits(file_bytes=100))
    assert look(small, "big.png") == {"big.png": "rejected"}
    assert "208 bytes, over 100" in index.document("big.png").reason
    assert store.reads == []


def test_a_fault_of_the_store_for_one_key_leaves_the_others_alone(indexer, store, index):
    for key in ("a.png", "b.png", "c.png"):
        store.put(key, picture(key))
    store.away.add("b.png")
    assert look(indexer, "a.png", "b.png", "c.png") == {
        "a.png": "indexed",
        "b.png": "failed",
        "c.png": "indexed",
    }
    assert index.keys() == ["a.png", "c.png"]


def test_a_store_that_goes_away_between_look_and_reading_fails_that_key(indexer, store, index):
    store.put("a.png", picture("a"))
    store.before_read.then(lambda: store.away.add("a.png"))
    assert look(indexer, "a.png") == {"a.png": "failed"}
    assert index.keys() == []


def test_a_write_that_fails_fails_its_key_alone(indexer, store, index):
    store.put("a.png", picture("a"))
    store.put("b.png", picture("b"))
    index.failing.add("b.png")
    assert look(indexer, "a.png", "b.png") == {"a.png": "indexed", "b.png": "failed"}


def test_an_index_that_is_away_fails_every_key_and_loses_none(indexer, store, index):
    store.put("a.png", picture("a"))
    index.away = True
    assert look(indexer, "a.png", "gone.png") == {"a.png": "failed", "gone.png": "failed"}


def test_an_index_that_goes_away_before_the_write_fails_the_keys_of_that_write(
    indexer, store, index
):
    store.put("a.png", picture("a"))
    index.before_write.then(lambda: setattr(index, "away", True))
    assert look(indexer, "a.png") == {"a.png": "failed"}


def test_a_decoder_that_cannot_start_fails_the_images_and_not_the_deletions(indexer, store, images):
    store.put("a.png", picture("a"))
    images.away = True
    assert look(indexer, "a.png", "gone.png") == {"a.png": "failed", "gone.png": "deleted"}


def test_batches_are_bounded_in_number(store, index, images):
    for n in range(10):
        store.put(f"{n}.png", picture(f"{n}"))
    indexer = Indexer(store, index, images, Limits(batch_images=4))
    indexer.look_at([ref(f"{n}.png") for n in range(10)])
    assert [len(batch) for batch in images.batches] == [4, 4, 2]


def test_batches_are_bounded_in_bytes(store, index, images):
    for n in range(6):
        store.put(f"{n}.png", picture(f"{n}" * 92))
    indexer = Indexer(store, index, images, Limits(batch_bytes=250))
    indexer.look_at([ref(f"{n}.png") for n in range(6)])
    assert [len(batch) for batch in images.batches] == [2, 2, 2]


def test_one_file_over_a_batch_s_bytes_is_a_batch_of_its_own(store, index, images):
    store.put("a.png", picture("x" * 300))
    indexer = Indexer(store, index, images, Limits(batch_bytes=100))
    assert look(indexer, "a.png") == {"a.png": "indexed"}


def test_more_keys_than_are_looked_at_at_a_time_all_settle(indexer, store, index):
    keys = [f"{n:04}.png" for n in range(KEYS_AT_A_TIME + 3)]
    for key in keys:
        store.put(key, picture(key))
    assert set(look(indexer, *keys).values()) == {"indexed"}
    assert index.keys() == keys


def test_no_keys_are_no_work(indexer, index):
    assert indexer.look_at([]) == []
    assert index.writes == 0
