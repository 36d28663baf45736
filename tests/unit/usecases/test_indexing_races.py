"""Claims: whoever changes what meanwhile, the index ends where the bucket does."""

from functools import partial

from imagesearch.domain.images import DetailsWanted
from imagesearch.domain.ports import WriteStatus
from imagesearch.indexing.indexer import ROUNDS, Indexer
from imagesearch.indexing.planner import OutcomeKind, Planner, Present, Seen
from tests.support.fakes import START, FakeImages, picture, ref, vector
from tests.support.looking import look


def test_a_deletion_leaves_a_trace_that_a_write_sent_before_it_runs_into(indexer, store, index):
    state = store.put("a.png", picture("a"))
    [image] = FakeImages().encode_images([picture("a")], DetailsWanted())
    found = Present(Seen(ref("a.png"), state, None), state)
    sent = Planner(FakeImages(), lambda: START).record(found, 64 * "a", image)
    store.delete("a.png")
    assert look(indexer, "a.png") == {"a.png": "deleted"}
    assert [result.status for result in index.write([sent.write])] == [WriteStatus.CONFLICT]
    assert index.keys() == []


def test_a_conflict_is_looked_at_again(indexer, store, index, images):
    """Another worker writes the older picture between this one's look and its write."""
    store.put("a.png", picture("old"))
    other = Indexer(store, index, FakeImages())

    def meanwhile() -> None:
        other.look_at([ref("a.png")])
        store.put("a.png", picture("new"))

    index.before_write.then(meanwhile)
    assert look(indexer, "a.png") == {"a.png": "indexed"}
    assert (index.embedding_of("a.png") == vector("new")).all()


def test_an_object_that_changed_while_it_was_read_is_read_again(indexer, store, index):
    store.put("a.png", picture("old"))
    store.before_read.then(lambda: store.put("a.png", picture("new")))
    assert look(indexer, "a.png") == {"a.png": "indexed"}
    assert (index.embedding_of("a.png") == vector("new")).all()


def test_an_object_deleted_while_it_was_read_leaves_nothing_behind(indexer, store, index):
    store.put("a.png", picture("a"))
    store.before_read.then(lambda: store.delete("a.png"))
    assert look(indexer, "a.png") == {"a.png": "deleted"}
    assert index.keys() == []


def test_an_object_deleted_while_its_record_is_written_is_deleted_again(indexer, store, index):
    store.put("a.png", picture("a"))
    index.before_write.then(lambda: store.delete("a.png"))
    assert look(indexer, "a.png") == {"a.png": "deleted"}
    assert index.keys() == []


def test_an_object_created_while_its_deletion_is_written_is_indexed(indexer, store, index):
    index.before_write.then(lambda: store.put("a.png", picture("a")))
    assert look(indexer, "a.png") == {"a.png": "indexed"}
    assert index.keys() == ["a.png"]


def test_an_object_that_never_rests_fails_after_a_few_rounds(indexer, store):
    store.put("a.png", picture("0"))
    changes = [partial(store.put, "a.png", picture(str(number))) for number in range(1, 2 * ROUNDS)]
    store.before_read.then(*changes)
    [outcome] = indexer.look_at([ref("a.png")])
    assert outcome.kind is OutcomeKind.FAILED
    assert "kept changing" in outcome.reason
