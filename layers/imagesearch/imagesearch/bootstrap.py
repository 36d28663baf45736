"""The one place where parts are joined: from settings to use cases.

Where images and what is made of them lie, as the settings say.

The model of a deployment, each part loaded once and when it is first needed.

What a function does when Lambda starts it from a snapshot: its connections have died.
"""

from collections.abc import Callable, Sequence
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import unquote, urlsplit

from imagesearch.access import Scope, ScopedChanges, ScopedIndex, ScopedStore
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.ports import (
    BucketChanges,
    ChangeQueue,
    DerivedStore,
    ImageStore,
    RecheckQueue,
    VectorIndex,
    WebImages,
)
from imagesearch.duplicates.checker import DuplicateCheck
from imagesearch.duplicates.groups import DuplicateGroups
from imagesearch.duplicates.linker import Linker
from imagesearch.duplicates.similarity import Weights
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import IMAGE_SPACE, MANIFEST, Manifest, load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.feedback import Feedback
from imagesearch.indexing.content_reuse import ContentSource
from imagesearch.indexing.indexer import Indexer
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.relevance import Relevance
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.searcher import Searcher
from imagesearch.settings import Settings
from imagesearch.uploads import Allowed, UploadService

if TYPE_CHECKING:
    from imagesearch.adapters.filesystem.image_store import FolderStore

# Adapters are imported where they are chosen: a function pays at start only for what it uses.


@cache
def image_store(settings: Settings) -> ImageStore:
    if settings.bucket.startswith("file://"):
        return folder_store(settings)
    from imagesearch.adapters.s3.image_store import S3Store

    return S3Store(settings.bucket, tags=settings.read_tags)


@cache
def folder_store(settings: Settings) -> "FolderStore":
    """The store over a folder: all readers of it in a process see the same part of it."""
    from imagesearch.adapters.filesystem.excludes import Excludes
    from imagesearch.adapters.filesystem.image_store import FolderStore

    folder = local_path(settings.bucket)
    own = [local_path(uri) for uri in settings.own_folders.split()]
    excludes = Excludes(folder, settings.exclude.split("\n"), settings.default_excludes, own)
    return FolderStore(folder, excludes=excludes)


@cache
def derived_store(settings: Settings) -> DerivedStore | None:
    """Where small copies of images lie; None where none are made."""
    return None if settings.derived_uri is None else derived_at(settings.derived_uri)


def derived_at(uri: str) -> DerivedStore:
    """The derived store in `s3://bucket` or `file:///folder`."""
    if uri.startswith("file://"):
        from imagesearch.adapters.filesystem.derived_store import FolderDerived

        return FolderDerived(local_path(uri))
    from imagesearch.adapters.s3.derived_store import S3Derived

    return S3Derived(uri)


def bucket_changes(settings: Settings) -> BucketChanges:
    if settings.bucket.startswith("file://"):
        from imagesearch.adapters.filesystem.bucket_changes import FolderChanges

        return FolderChanges(
            local_path(settings.bucket),
            local_path(settings.derived_uri or ""),
            folder_store(settings).excludes,
        )
    from imagesearch.adapters.s3.bucket_changes import S3Changes

    return S3Changes()


@cache
def web_images(settings: Settings) -> WebImages | None:
    """Where images are fetched from by their address; None where that is not permitted."""
    if not settings.allow_urls:
        return None
    from imagesearch.adapters.web_images import WebImages

    return WebImages()


def change_queue(settings: Settings) -> ChangeQueue | None:
    if settings.queue_url is None:
        return None
    from imagesearch.adapters.sqs import SqsQueue

    return SqsQueue(settings.queue_url)


def local_path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))


if TYPE_CHECKING:
    from imagesearch.adapters.s3.model_folder import S3Model


@cache
def manifest_of(model_uri: str) -> Manifest:
    return load_manifest(_model_folder(model_uri, [MANIFEST]))


def duplicate_weights(model_uri: str) -> Weights:
    return manifest_of(model_uri).duplicates.weights


@cache
def image_encoder(model_uri: str) -> OnnxImageEncoder:
    manifest = manifest_of(model_uri)
    return OnnxImageEncoder(_model_folder(model_uri, [manifest.image.graph]), manifest)


@cache
def text_encoder(model_uri: str) -> OnnxTextEncoder:
    manifest = manifest_of(model_uri)
    text = manifest.text
    names = [name for name in (text.graph, text.tokenizer, text.projection) if name]
    return OnnxTextEncoder(_model_folder(model_uri, names), manifest)


@cache
def relevance_of(model_uri: str) -> Relevance | None:
    manifest = manifest_of(model_uri)
    names = manifest.relevance.backgrounds if manifest.relevance else []
    return relevance(_model_folder(model_uri, names), manifest)


def _model_folder(model_uri: str, names: Sequence[str]) -> Path:
    """Where these files of the model lie on this machine."""
    return _s3_model(model_uri).folder(names) if model_uri.startswith("s3://") else Path(model_uri)


@cache
def _s3_model(model_uri: str) -> "S3Model":
    from imagesearch.adapters.s3.model_folder import S3Model

    return S3Model(model_uri)


Register: TypeAlias = Callable[[Callable[[], object]], object]


def after_restore(action: Callable[[], object], register: Register | None = None) -> None:
    """Have an action done after each restore; without a register, by Lambda if this runs there."""
    if register := register or _lambda_register():
        register(action)


def _lambda_register() -> Register | None:
    """https://docs.aws.amazon.com/lambda/latest/dg/snapstart-runtime-hooks-python.html"""
    try:
        runtime: Any = import_module("snapshot_restore_py")
    except ModuleNotFoundError:
        return None
    register: Register = runtime.register_after_restore
    return register


def indexer(settings: Settings, afresh: bool = False) -> Indexer:
    """What the indexing function needs; loads the image side of the model alone.

    With `afresh`, it reads objects that have not changed, too.
    """
    return Indexer(
        image_store(settings),
        vector_index(settings),
        image_encoder(settings.model_uri),
        places=settings.exif_gps,
        derived=derived_store(settings),
        linker=Linker(
            vector_index(settings), duplicate_weights(settings.model_uri), _recheck_queue(settings)
        ),
        sources=_content_sources(settings),
        afresh=afresh,
    )


def searcher(settings: Settings, scope: Scope | None = None) -> Searcher:
    """What the search function needs; loads both sides of the model."""
    return Searcher(
        _index_within(settings, scope),
        text_encoder(settings.model_uri),
        image_encoder(settings.model_uri),
        relevance_of(settings.model_uri),
        web_images(settings),
    )


def classifier(settings: Settings, scope: Scope | None = None) -> Classifier:
    """The same parts as the searcher's, and how the model is told labels."""
    texts, images = text_encoder(settings.model_uri), image_encoder(settings.model_uri)
    vectors = QueryEncoder(_index_within(settings, scope), texts, images, web_images(settings))
    return Classifier(vectors, _label_encoder(settings), label_sets(settings, scope))


def label_sets(settings: Settings, scope: Scope | None = None) -> LabelSets:
    """Sets of labels; their index is opened when it is needed.

    They are everybody's: whoever is bound to some collections only reads them.
    """
    index = partial(_label_index, settings)
    return LabelSets(index, _label_encoder(settings), read_only=scope is not None)


def feedback(settings: Settings, scope: Scope | None = None) -> Feedback:
    manifest = manifest_of(settings.model_uri)
    return Feedback(
        _index_within(settings, scope),
        derived_store(settings),
        SearchIds(manifest.name),
        manifest.image_space,
    )


def duplicate_groups(settings: Settings, scope: Scope | None = None) -> DuplicateGroups:
    """The groups within a scope; images outside of it are in none."""
    return DuplicateGroups(_index_within(settings, scope))


def duplicate_check(settings: Settings, scope: Scope | None = None) -> DuplicateCheck:
    """What tells whether a picture is there, within a scope."""
    images, weights = image_encoder(settings.model_uri), duplicate_weights(settings.model_uri)
    return DuplicateCheck(_index_within(settings, scope), images, weights)


def _content_sources(settings: Settings) -> list[ContentSource]:
    """Indexes of the same image space, besides the one that is written."""
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

    return SqsRecheckQueue(settings.revisit_queue_url)


def uploads(settings: Settings, scope: Scope | None = None) -> UploadService | None:
    """What changes the bucket; None where that is not permitted."""
    derived = derived_store(settings)
    allowed = Allowed(settings.allow_uploads, settings.allow_delete)
    if derived is None or not (allowed.uploads or allowed.deletions):
        return None
    store, changes = image_store(settings), bucket_changes(settings)
    if scope:
        store, changes = ScopedStore(store, scope), ScopedChanges(changes, scope)
    index, web = _index_within(settings, scope), web_images(settings)
    return UploadService(store, index, changes, derived, allowed, web=web)


def _index_within(settings: Settings, scope: Scope | None) -> VectorIndex:
    index = vector_index(settings)
    return ScopedIndex(index, scope) if scope else index


# Adapters are imported where they are chosen: a function pays at start only for what it uses.


@cache
def vector_index(settings: Settings) -> VectorIndex:
    """The index of the model's own image space: no other model's vectors can be met there."""
    model = manifest_of(settings.model_uri)
    return _index(settings, index_name(settings), model.dimension, model.name)


def index_name(settings: Settings) -> str:
    return f"{settings.index_prefix}-{manifest_of(settings.model_uri).image_space}"


def vector_indexes(settings: Settings) -> dict[str, VectorIndex]:
    """Every index of the prefix, of whatever model, by name. Raises Unavailable."""
    begin = f"{settings.index_prefix}-"
    if settings.index_url.startswith("sqlite:"):
        from imagesearch.adapters.sqlite import database

        found = database.index_dimensions(local_path(settings.index_url))
    else:
        from imagesearch.adapters.opensearch import client

        found = client.index_dimensions(settings.index_url, begin)
    # Another system's prefix may begin with this one: behind it stands nothing but a space.
    return {
        name: _index(settings, name, dimension, model="")
        for name, dimension in sorted(found.items())
        if name.startswith(begin) and IMAGE_SPACE.fullmatch(name.removeprefix(begin))
    }


def _index(settings: Settings, name: str, dimension: int, model: str) -> VectorIndex:
    if settings.index_url.startswith("sqlite:"):
        from imagesearch.adapters.sqlite.index import SqliteIndex

        return SqliteIndex(local_path(settings.index_url), name, dimension)
    from imagesearch.adapters.opensearch.index import OpenSearchIndex
    from imagesearch.adapters.opensearch.mapping import IndexSettings

    layout = IndexSettings(
        engine=settings.index_engine,
        compression=settings.index_compression,
        shards=settings.index_shards,
        replicas=settings.index_replicas,
        refresh_interval=f"{settings.index_refresh_seconds}s",
    )
    index = OpenSearchIndex(settings.index_url, name, dimension, model=model, layout=layout)
    after_restore(index.close)
    return index


@cache
def _label_index(settings: Settings) -> VectorIndex:
    """The index of labels as this model is told them: no other prompts' vectors are met there."""
    model = manifest_of(settings.model_uri)
    name = f"{settings.index_prefix}-labels-{model.label_space}"
    return _index(settings, name, model.dimension, model.name)


def _label_encoder(settings: Settings) -> LabelEncoder:
    return LabelEncoder(text_encoder(settings.model_uri), manifest_of(settings.model_uri).prompts)
