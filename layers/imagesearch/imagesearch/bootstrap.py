"""Composition root: creates the use cases and their adapters from the settings.

Adapters are imported where they are chosen, so that a function loads only those it uses. Stores,
encoders and indexes are created once per process.
"""

import os
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from imagesearch.access import Scope, ScopedChanges, ScopedIndex, ScopedStore
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.ports import (
    BucketChanges,
    ChangeQueue,
    DerivedStore,
    ImageEncoder,
    ImageStore,
    RecheckQueue,
    VectorIndex,
    WebImages,
)
from imagesearch.duplicates.checker import DuplicateChecker
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.duplicates.linker import Linker
from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.calibration_file import CALIBRATION, calibrated, model_digest
from imagesearch.embedding.decoding.pool import DecoderPool
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import (
    ENGLISH,
    IMAGE_SPACE,
    MANIFEST,
    MULTILINGUAL,
    Manifest,
    load_manifest,
)
from imagesearch.embedding.model_catalog import catalog_entries
from imagesearch.embedding.on_demand import OnDemandImageEncoder, OnDemandTextEncoder
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.feedback import Feedback
from imagesearch.indexing.content_reuse import ContentSource
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.inventory import Inventory
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import ThumbnailCleanup
from imagesearch.learning.adapters import AdapterStore, Space
from imagesearch.learning.live import LiveAdapter
from imagesearch.object_cache import Cached
from imagesearch.search.previews import Previews
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.query_language import Alternative, LanguageNotices
from imagesearch.search.relevance import Modality, Relevance
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.searcher import Searcher
from imagesearch.settings import Settings
from imagesearch.snapshots import after_restore, reconnected, renew_credentials, renew_random_state
from imagesearch.uploads import Permissions, UploadService

if TYPE_CHECKING:
    from imagesearch.adapters.filesystem.image_store import FolderStore
    from imagesearch.adapters.s3.model_folder import S3ModelFolder
    from imagesearch.calibration.evidence import CalibrationVectors
    from imagesearch.calibration.relevance_fit import Backgrounds
    from imagesearch.learning.tuner import Tuner

# The search function reads the pointer to the adapter at most this often.
ADAPTER_SECONDS = 60.0
# Named in notices where no multilingual model uses the same index.
_BEST_MULTILINGUAL = "siglip2-b-16"
# Seconds to decode one image. On Lambda, the limit leaves time for the rest of an invocation.
_DECODING_SECONDS = 30.0
DECODING_SECONDS_ON_LAMBDA = 8.0


def indexer(
    settings: Settings, force: bool = False, encoder: ImageEncoder | None = None
) -> Indexer:
    """The use case of the indexing function; loads the image encoder only.

    With `force`, objects are read even if their state has not changed. `encoder` replaces the
    encoder of the model.
    """
    return Indexer(
        image_store(settings),
        vector_index(settings),
        encoder or image_encoder(settings.model_uri),
        gps=settings.exif_gps,
        derived=derived_store(settings),
        linker=Linker(
            vector_index(settings), duplicate_weights(settings.model_uri), _recheck_queue(settings)
        ),
        sources=_content_sources(settings),
        force=force,
        index_name=index_name(settings),
    )


def reconciler(settings: Settings) -> Reconciler:
    """The use case of the reconciling function; loads no model.

    Raises ConfigurationError without REVISIT_QUEUE_URL.
    """
    from imagesearch.adapters.sqs import SqsRecheckQueue

    queue = SqsRecheckQueue(recheck_queue_url(settings))
    # A listing has no tags. Without them, a difference is read with one request.
    store = image_store(settings.model_copy(update={"read_tags": False}))
    return Reconciler(store, vector_index(settings), queue)


def inventory(settings: Settings, uri: str) -> Inventory:
    """The reports of S3 Inventory about the bucket, at `s3://bucket/prefix`.

    Raises ConfigurationError without DERIVED_URI.
    """
    from imagesearch.adapters.s3.client import s3_client
    from imagesearch.adapters.s3.inventory import S3InventoryReport

    client, _ = s3_client()
    bucket = settings.bucket
    return Inventory(
        uri,
        lambda location: S3InventoryReport(location, bucket, client),
        _required_derived_store(settings),
        bucket,
    )


def thumbnail_cleanup(settings: Settings) -> ThumbnailCleanup:
    """The deletion of thumbnails that no index of this prefix names.

    Raises ConfigurationError without DERIVED_URI.
    """
    derived = _required_derived_store(settings)
    return ThumbnailCleanup(derived, lambda: list(vector_indexes(settings).values()))


def _required_derived_store(settings: Settings) -> DerivedStore:
    derived = derived_store(settings)
    if derived is None:
        raise ConfigurationError("DERIVED_URI is not set", "set it to the store of thumbnails")
    return derived


def recheck_queue_url(settings: Settings) -> str:
    """The queue that has keys processed again. Raises ConfigurationError if it is not set."""
    if settings.revisit_queue_url is None:
        raise ConfigurationError(
            "REVISIT_QUEUE_URL is not set", "set it to the queue of the indexing function"
        )
    return settings.revisit_queue_url


def searcher(settings: Settings, scope: Scope | None = None) -> Searcher:
    """The searches within a scope; loads both encoders."""
    return Searcher(
        _index_within(settings, scope),
        text_encoder(settings.model_uri),
        image_encoder(settings.model_uri),
        relevance_of(settings.model_uri),
        web_images(settings),
        language_notices(settings.model_uri),
        _search_ids(settings),
        query_adapter(settings) or (lambda: None),
    )


@Cached
def query_adapter(settings: Settings) -> LiveAdapter | None:
    """The query adapter in use; None without a derived store.

    A change is taken up within a minute, in a folder of this machine at the next search.
    """
    store = derived_store(settings)
    if store is None:
        return None
    seconds = 0 if (settings.derived_uri or "").startswith("file://") else ADAPTER_SECONDS
    return LiveAdapter(adapter_store(settings.model_uri, store), seconds)


def tuner(model_uri: str, store: DerivedStore) -> "Tuner":
    """The use case that tunes the query adapter of a model; loads the model when it runs."""
    from imagesearch.learning.tuner import Tuner

    return Tuner(
        store,
        adapter_store(model_uri, store),
        partial(_sample_vectors, model_uri),
        partial(_backgrounds, model_uri),
    )


def _sample_vectors(model_uri: str, image_queries: bool) -> "CalibrationVectors":
    from imagesearch.calibration.calibration_set import shipped_set
    from imagesearch.embedding.self_test.edits import PillowEditor
    from imagesearch.embedding.self_test.onnx_model import OnnxModel
    from imagesearch.learning.sample_vectors import sample_vectors

    manifest = manifest_of(model_uri)
    text = manifest.text
    names = [manifest.image.graph, text.graph, text.tokenizer, text.projection]
    model = OnnxModel(_model_folder(model_uri, [name for name in names if name]), manifest)
    try:
        return sample_vectors(model, shipped_set(), PillowEditor(), image_queries=image_queries)
    finally:
        model.close()


def _backgrounds(model_uri: str) -> "Backgrounds":
    from imagesearch.calibration.relevance_fit import Backgrounds

    found = relevance_of(model_uri)
    if found is None:
        raise ConfigurationError(
            f"{model_uri} is not calibrated", "run `imagesearch models calibrate` first"
        )
    return Backgrounds(
        found.background(Modality.TEXT).vectors, found.background(Modality.IMAGE).vectors
    )


def adapter_store(model_uri: str, store: DerivedStore) -> AdapterStore:
    """The adapters of a model in a derived store."""
    manifest = manifest_of(model_uri)
    space = Space(manifest.name, manifest.image_space, model_digest(manifest), manifest.dimension)
    return AdapterStore(store, space)


def classifier(settings: Settings, scope: Scope | None = None) -> Classifier:
    """Classification of images, by labels or by neighbors within a scope; loads both encoders."""
    texts, images = text_encoder(settings.model_uri), image_encoder(settings.model_uri)
    vectors = QueryEncoder(_index_within(settings, scope), texts, images, web_images(settings))
    return Classifier(vectors, _label_encoder(settings), label_sets(settings, scope))


def label_sets(settings: Settings, scope: Scope | None = None) -> LabelSets:
    """The label sets, whose index is opened on first use.

    Label sets and what they have learned from examples are shared by all keys, and read-only for
    keys that are bound to collections.
    """
    index = partial(_label_index, settings)
    return LabelSets(
        index,
        _label_encoder(settings),
        open_images=partial(vector_index, settings),
        read_only=scope is not None,
    )


def feedback(settings: Settings, scope: Scope | None = None) -> Feedback:
    """Relevance feedback on images within a scope."""
    manifest = manifest_of(settings.model_uri)
    return Feedback(
        _index_within(settings, scope),
        derived_store(settings),
        _search_ids(settings),
        manifest.image_space,
    )


def _search_ids(settings: Settings) -> SearchIds:
    return SearchIds(
        manifest_of(settings.model_uri).name,
        derived_store(settings),
        texts=settings.feedback_texts,
    )


def duplicate_groups(settings: Settings, scope: Scope | None = None) -> DuplicateFinder:
    """Groups of duplicates among the images within a scope."""
    return DuplicateFinder(_index_within(settings, scope))


def duplicate_check(settings: Settings, scope: Scope | None = None) -> DuplicateChecker:
    """The check for duplicates of one image among those within a scope."""
    images, weights = image_encoder(settings.model_uri), duplicate_weights(settings.model_uri)
    return DuplicateChecker(_index_within(settings, scope), images, weights)


def previews(settings: Settings, scope: Scope | None = None) -> Previews:
    """Previews of the images within a scope; loads no model."""
    index, maker = _index_within(settings, scope), image_encoder(settings.model_uri)
    return Previews(index, image_store(settings), maker)


def uploads(settings: Settings, scope: Scope | None = None) -> UploadService | None:
    """Uploads and deletions within a scope; None if both are off or there is no derived store."""
    derived = derived_store(settings)
    permissions = Permissions(settings.allow_uploads, settings.allow_delete)
    if derived is None or not (permissions.uploads or permissions.deletions):
        return None
    store, changes = image_store(settings), bucket_changes(settings)
    if scope:
        store, changes = ScopedStore(store, scope), ScopedChanges(changes, scope)
    index, web = _index_within(settings, scope), web_images(settings)
    return UploadService(store, index, changes, derived, permissions, web=web)


def _index_within(settings: Settings, scope: Scope | None) -> VectorIndex:
    index = vector_index(settings)
    return ScopedIndex(index, scope) if scope else index


def _content_sources(settings: Settings) -> list[ContentSource]:
    """Other indexes of the same image space, from REUSE_FROM."""
    if not settings.reuse_from:
        return []
    from imagesearch.adapters.sqlite.content_lookup import SqliteContentLookup

    name, dimension = index_name(settings), manifest_of(settings.model_uri).dimension
    sources = [each.split(",") for each in settings.reuse_from.split()]
    return [
        ContentSource(SqliteContentLookup(local_path(index), name, dimension), derived_at(derived))
        for index, derived in sources
    ]


def _recheck_queue(settings: Settings) -> RecheckQueue | None:
    if settings.revisit_queue_url is None:
        return None
    from imagesearch.adapters.sqs import SqsRecheckQueue

    return reconnected(SqsRecheckQueue(settings.revisit_queue_url))


@Cached
def vector_index(settings: Settings) -> VectorIndex:
    """The index of the model's image space, which contains no vectors of other models."""
    model = manifest_of(settings.model_uri)
    return _index(settings, index_name(settings), model.dimension, model.name)


def index_name(settings: Settings) -> str:
    """The name of the index: the prefix and the model's image space."""
    return f"{settings.index_prefix}-{manifest_of(settings.model_uri).image_space}"


def vector_indexes(settings: Settings) -> dict[str, VectorIndex]:
    """The indexes of all models with this prefix, by name. Raises Unavailable."""
    start = f"{settings.index_prefix}-"
    if settings.index_url.startswith("sqlite:"):
        from imagesearch.adapters.sqlite import database

        found = database.index_dimensions(local_path(settings.index_url))
    else:
        from imagesearch.adapters.opensearch import client

        found = client.index_dimensions(settings.index_url, start)
    # The prefix of another deployment may begin with this one: only an image space may follow.
    return {
        name: _index(settings, name, dimension, model="")
        for name, dimension in sorted(found.items())
        if name.startswith(start) and IMAGE_SPACE.fullmatch(name.removeprefix(start))
    }


def _index(settings: Settings, name: str, dimension: int, model: str) -> VectorIndex:
    if settings.index_url.startswith("sqlite:"):
        from imagesearch.adapters.sqlite.index import SqliteIndex

        return SqliteIndex(local_path(settings.index_url), name, dimension)
    from imagesearch.adapters.opensearch.index import OpenSearchIndex
    from imagesearch.adapters.opensearch.mapping import IndexSettings

    index_settings = IndexSettings(
        engine=settings.index_engine,
        compression=settings.index_compression,
        shards=settings.index_shards,
        replicas=settings.index_replicas,
        refresh_interval=f"{settings.index_refresh_seconds}s",
    )
    return reconnected(
        OpenSearchIndex(settings.index_url, name, dimension, model=model, settings=index_settings)
    )


@Cached
def _label_index(settings: Settings) -> VectorIndex:
    """The index of the model's label space, which contains no vectors of other prompts."""
    model = manifest_of(settings.model_uri)
    name = f"{settings.index_prefix}-labels-{model.label_space}"
    return _index(settings, name, model.dimension, model.name)


def _label_encoder(settings: Settings) -> LabelEncoder:
    manifest = manifest_of(settings.model_uri)
    return LabelEncoder(
        text_encoder(settings.model_uri), manifest.prompts, manifest.duplicates.weights.copy_cosine
    )


@Cached
def manifest_of(model_uri: str) -> Manifest:
    """The manifest of a model, with its calibration; raises ConfigurationError."""
    folder = _model_folder(model_uri, [MANIFEST])
    if model_uri.startswith("s3://"):
        _s3_model(model_uri)[0].download_if_present(CALIBRATION, folder)
    return calibrated(folder, load_manifest(folder))


def duplicate_weights(model_uri: str) -> Weights:
    """The weights of the evidence for duplicates."""
    return manifest_of(model_uri).duplicates.weights


def language_notices(model_uri: str) -> LanguageNotices | None:
    """The notices for queries in other languages; None if the model understands more than English.

    Earlier manifests do not name the languages of a model of the catalog.
    """
    manifest = manifest_of(model_uri)
    if _languages(manifest) != ENGLISH:
        return None
    return LanguageNotices(manifest.name, Cached(lambda: _multilingual(manifest)))


def _languages(manifest: Manifest) -> tuple[str, ...]:
    if manifest.languages:
        return manifest.languages
    return next((entry.languages for entry in catalog_entries() if entry.name == manifest.name), ())


def _multilingual(manifest: Manifest) -> Alternative | None:
    """The multilingual model of the catalog; one for the same index is preferred."""
    found = [
        Alternative(entry.name, entry.manifest["text"].get("image_space") == manifest.image_space)
        for entry in catalog_entries()
        if MULTILINGUAL in entry.languages
    ]
    return max(
        found,
        key=lambda each: (each.same_index, each.model == _BEST_MULTILINGUAL),
        default=None,
    )


@Cached
def image_encoder(model_uri: str) -> OnDemandImageEncoder:
    """The model's image encoder, loaded when it is first needed; raises ConfigurationError."""
    manifest = manifest_of(model_uri)

    seconds = DECODING_SECONDS_ON_LAMBDA if _on_lambda() else _DECODING_SECONDS
    decoders = DecoderPool(seconds=seconds)

    def load() -> OnnxImageEncoder:
        with ThreadPoolExecutor(1, thread_name_prefix="loading") as thread:
            # A decoder starts while the graph is loaded. The first image raises its error.
            thread.submit(getattr, decoders, "decoder")
            folder = _model_folder(model_uri, [manifest.image.graph])
            return OnnxImageEncoder(folder, manifest, decoders=decoders)

    return OnDemandImageEncoder(manifest.name, load, decoders)


@Cached
def text_encoder(model_uri: str) -> OnDemandTextEncoder:
    """The model's text encoder, loaded when it is first needed; raises ConfigurationError."""
    manifest = manifest_of(model_uri)
    text = manifest.text
    names = [name for name in (text.graph, text.tokenizer, text.projection) if name]

    # A server runs several queries at once: with a thread each they take less CPU time in total.
    threads = None if _on_lambda() else 1

    def load() -> OnnxTextEncoder:
        return OnnxTextEncoder(_model_folder(model_uri, names), manifest, threads=threads)

    return OnDemandTextEncoder(manifest.name, load)


def warm_up(settings: Settings, *, texts: bool) -> None:
    """Load the image encoder, and the text encoder where texts are embedded, and use them once.

    On Lambda only: elsewhere, each is loaded when it is first needed. A snapshot then holds the
    models and a decoder process; random state and credentials are renewed after its restore. Raises
    ConfigurationError.
    """
    if not _on_lambda():
        return
    from imagesearch.embedding.warm_up import warm_up

    model = settings.model_uri
    warm_up(image_encoder(model), text_encoder(model) if texts else None)
    after_restore(renew_random_state)
    after_restore(renew_credentials)


def _on_lambda() -> bool:
    return "AWS_LAMBDA_FUNCTION_NAME" in os.environ


@Cached
def relevance_of(model_uri: str) -> Relevance | None:
    """The model's calibration; None if it is not calibrated. Raises ConfigurationError."""
    manifest = manifest_of(model_uri)
    names = manifest.relevance.backgrounds if manifest.relevance else []
    return relevance(_model_folder(model_uri, names), manifest)


def _model_folder(model_uri: str, names: Sequence[str]) -> Path:
    """A local folder with these files of the model; downloads them from S3 if necessary."""
    if not model_uri.startswith("s3://"):
        return Path(model_uri)
    model, folder = _s3_model(model_uri)
    model.download(names, folder)
    return folder


@Cached
def _s3_model(model_uri: str) -> "tuple[S3ModelFolder, Path]":
    """The model folder in S3, and the local folder of its downloaded files."""
    from imagesearch.adapters.s3.model_folder import S3ModelFolder

    return S3ModelFolder(model_uri), Path(tempfile.mkdtemp(prefix="model-"))


@Cached
def image_store(settings: Settings) -> ImageStore:
    """The store of the images: an S3 bucket or a folder."""
    if settings.bucket.startswith("file://"):
        return folder_store(settings)
    from imagesearch.adapters.s3.image_store import S3Store

    return reconnected(S3Store(settings.bucket, tags=settings.read_tags))


def folder_store(settings: Settings) -> "FolderStore":
    """The image store of a folder, with its exclusions; the same for every model."""
    return _folder_store(
        settings.bucket, settings.exclude, settings.default_excludes, settings.own_folders
    )


@Cached
def _folder_store(
    bucket: str, exclude: str, default_excludes: bool, own_folders: str
) -> "FolderStore":
    from imagesearch.adapters.filesystem.excludes import Excludes
    from imagesearch.adapters.filesystem.image_store import FolderStore

    folder = local_path(bucket)
    own = [local_path(uri) for uri in own_folders.split()]
    excludes = Excludes(folder, exclude.split("\n"), default_excludes, own)
    return FolderStore(folder, excludes=excludes)


@Cached
def derived_store(settings: Settings) -> DerivedStore | None:
    """The store of thumbnails, pending uploads and feedback; None if DERIVED_URI is not set."""
    return None if settings.derived_uri is None else derived_at(settings.derived_uri)


def derived_at(uri: str) -> DerivedStore:
    """The derived store at `s3://bucket` or `file:///folder`."""
    if uri.startswith("file://"):
        from imagesearch.adapters.filesystem.derived_store import FolderDerived

        return FolderDerived(local_path(uri))
    from imagesearch.adapters.s3.derived_store import S3Derived

    return reconnected(S3Derived(uri))


def bucket_changes(settings: Settings) -> BucketChanges:
    """Uploads to and deletions from the bucket or the folder."""
    if settings.bucket.startswith("file://"):
        from imagesearch.adapters.filesystem.bucket_changes import FolderChanges

        return FolderChanges(
            local_path(settings.bucket),
            local_path(settings.derived_uri or ""),
            folder_store(settings).excludes,
        )
    from imagesearch.adapters.s3.bucket_changes import S3Changes

    return reconnected(S3Changes())


@Cached
def web_images(settings: Settings) -> WebImages | None:
    """Downloads images by URL; None if ALLOW_URLS is off."""
    if not settings.allow_urls:
        return None
    from imagesearch.adapters.web_images import HttpsImages

    return HttpsImages()


def release(settings: Settings) -> None:
    """Close the indexes of these settings and the encoders of their model, and free their memory.

    Use cases that were created with them must not be used any more.
    """
    encoder = image_encoder.remove(settings.model_uri)
    if encoder:
        encoder.close()
    text_encoder.remove(settings.model_uri)
    manifest_of.remove(settings.model_uri)
    relevance_of.remove(settings.model_uri)
    query_adapter.remove(settings)
    image_store.remove(settings)
    for index in (vector_index.remove(settings), _label_index.remove(settings)):
        close = getattr(index, "close", None)
        if close:
            close()


def change_queue(settings: Settings) -> ChangeQueue | None:
    """The queue of changes that are to be indexed; None if QUEUE_URL is not set."""
    if settings.queue_url is None:
        return None
    from imagesearch.adapters.sqs import SqsQueue

    return reconnected(SqsQueue(settings.queue_url))


def local_path(url: str) -> Path:
    """The path of a `file://` or `sqlite://` URL."""
    return Path(unquote(urlsplit(url).path))
