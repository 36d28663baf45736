"""Claims: searches and uploads continue during a switch of models, and no image is lost."""

import uuid
from collections.abc import Callable
from contextlib import ExitStack
from itertools import islice

import numpy as np
import pytest

from functions.index_images.handler import BatchReport, make_handler
from imagesearch.adapters.opensearch.client import index_dimensions
from imagesearch.adapters.opensearch.index import OpenSearchIndex
from imagesearch.adapters.opensearch.mapping import IndexSettings
from imagesearch.domain.queries import ImageQuery, Search
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.indexing.indexer import Indexer
from imagesearch.search.searcher import Searcher
from local.sync.reconcile import reconcile
from tests.integration.conftest import MODEL, ROOT
from tests.support.aws.cloud import BUCKET, eventually
from tests.support.handlers import CONTEXT
from tests.support.model_switch import ModelSystem, Searching, Uploading, running

LAYOUT = IndexSettings(refresh_interval="100ms")


@pytest.fixture
def prefix() -> str:
    return f"switch-{uuid.uuid4().hex}-"


@pytest.fixture
def side(cloud, store, prefix, opensearch_url, logger, metrics):
    """Builds the components of a model as the functions do, with the index of its space."""
    with ExitStack() as stack:

        def make(folder) -> ModelSystem:
            manifest = load_manifest(folder)
            index = OpenSearchIndex(
                opensearch_url,
                prefix + manifest.image_space,
                manifest.dimension,
                model=manifest.name,
                settings=LAYOUT,
            )
            images = OnnxImageEncoder(folder, manifest)
            stack.callback(index.close)
            stack.callback(images.close)
            indexer = Indexer(store, index, images)
            handler = make_handler(indexer, BUCKET, logger, BatchReport(logger, metrics))
            searcher = Searcher(index, OnnxTextEncoder(folder, manifest), images)
            queue = cloud.queue("eventbridge")
            return ModelSystem(
                store, index, indexer, searcher, queue, lambda event: handler(event, CONTEXT)
            )

        yield make


@pytest.fixture
def pictures() -> dict[str, bytes]:
    files = sorted((ROOT / "samples").glob("*/*.webp"))
    return {f"{path.parent.name}/{path.name}": path.read_bytes() for path in files}


Made = Callable[..., ModelSystem]


def test_a_model_switch_loses_no_search_and_no_image(
    cloud, side: Made, pictures, prefix, opensearch_url, stretched_model
):
    fixed, moving = dict(islice(pictures.items(), 40)), list(pictures.values())[40:]
    old = side(MODEL)
    for key, data in fixed.items():
        cloud.put(key, data)
    old.queue.drain(old.handler)
    assert eventually(lambda: old.check_consistency().indexed == 40)

    key = "animals/owl.webp"
    searching = Searching(old.searcher, key, fixed[key])
    uploading = Uploading(cloud, moving)
    with running(searching.run, uploading.run, old.work):
        new = side(stretched_model)
        with running(new.work):
            start_and_interrupt_backfill(new)
            complete_backfill(new)
            assert eventually(lambda: searching.answered.get("starter", 0) >= 20)
            searching.searcher = new.searcher
            assert eventually(lambda: searching.answered.get("stretched", 0) >= 20)
            assert eventually(lambda: uploading.changes >= 10)
    for each in (old, new):
        each.queue.drain(each.handler)

    assert searching.wrong == []
    assert eventually(lambda: all(each.check_consistency().is_consistent for each in (old, new)))
    assert old.check_consistency() == new.check_consistency()
    assert new.check_consistency().indexed >= 40

    old.index.drop()
    assert list(index_dimensions(opensearch_url, prefix)) == [new.index.health().name]
    found = new.searcher.search(Search(ImageQuery(fixed[key])))
    assert found.hits[0].document.ref.key == key
    new.index.drop()


def start_and_interrupt_backfill(side: ModelSystem) -> None:
    """Starts a backfill that stops after some of the images."""
    refs = [ref for ref, _ in islice(side.store.list_images(), 10)]
    assert len(list(reconcile(side.indexer, refs))) == 10
    found = side.check_consistency()
    assert found.done >= 10
    assert not found.is_consistent


def complete_backfill(side: ModelSystem) -> None:
    """Runs a second backfill over all images, so that each was processed at least once."""
    pending = [ref.key for ref, _ in side.store.list_images()]
    for _ in reconcile(side.indexer, [ref for ref, _ in side.store.list_images()]):
        pass

    def seen() -> bool:
        pending[:] = side.outdated(pending)
        return not pending

    assert eventually(seen), pending


def test_the_two_models_have_different_vectors(side: Made, pictures, cloud, stretched_model):
    """Vectors of the two spaces differ, a precondition of the other tests."""
    old, new = side(MODEL), side(stretched_model)
    key = "animals/owl.webp"
    cloud.put(key, pictures[key])
    for each in (old, new):
        each.queue.drain(each.handler)
    [ref] = [ref for ref, _ in old.store.list_images()]
    vectors = [each.index.embeddings([ref.id])[ref.id] for each in (old, new)]
    assert np.dot(*vectors) < 0.999
    for each in (old, new):
        each.index.drop()
