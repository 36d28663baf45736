"""The one place where parts are joined: from settings to use cases."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from imagesearch.classifying import Classifier
from imagesearch.embedding.background import relevance
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import IMAGE_SPACE, MANIFEST, Manifest, load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.indexing import Indexer
from imagesearch.likeness import Weights
from imagesearch.linking import Linker
from imagesearch.ports import ChangeQueue, DerivedStore, ImageStore, Revisits, VectorIndex
from imagesearch.prompting import LabelEncoder
from imagesearch.query_vectors import QueryVectors
from imagesearch.relevance import Relevance
from imagesearch.restoring import after_restore
from imagesearch.searching import Searcher
from imagesearch.settings import Settings

if TYPE_CHECKING:
    from imagesearch.adapters.s3_model import S3Model


def indexer(settings: Settings) -> Indexer:
    """What the indexing function needs; loads the image side of the model alone."""
    return Indexer(
        image_store(settings),
        vector_index(settings),
        _image_encoder(settings.model_uri),
        places=settings.exif_gps,
        derived=derived_store(settings),
        linker=Linker(
            vector_index(settings), _duplicate_weights(settings.model_uri), _revisits(settings)
        ),
    )


def searcher(settings: Settings) -> Searcher:
    """What the search function needs; loads both sides of the model."""
    return Searcher(
        vector_index(settings),
        _text_encoder(settings.model_uri),
        _image_encoder(settings.model_uri),
        _relevance(settings.model_uri),
    )


def classifier(settings: Settings) -> Classifier:
    """The same parts as the searcher's, and how the model is told labels."""
    texts, images = _text_encoder(settings.model_uri), _image_encoder(settings.model_uri)
    labels = LabelEncoder(texts, _manifest(settings.model_uri).prompts)
    return Classifier(QueryVectors(vector_index(settings), texts, images), labels)


# Adapters are imported where they are chosen: a function pays at start only for what it uses.


@cache
def image_store(settings: Settings) -> ImageStore:
    if settings.bucket.startswith("file://"):
        from imagesearch.adapters.folder_store import FolderStore

        return FolderStore(_path(settings.bucket))
    from imagesearch.adapters.s3_store import S3Store

    return S3Store(settings.bucket)


@cache
def derived_store(settings: Settings) -> DerivedStore | None:
    """Where small copies of images lie; None where none are made."""
    if settings.derived_uri is None:
        return None
    if settings.derived_uri.startswith("file://"):
        from imagesearch.adapters.folder_derived import FolderDerived

        return FolderDerived(_path(settings.derived_uri))
    from imagesearch.adapters.s3_derived import S3Derived

    return S3Derived(settings.derived_uri)


def _revisits(settings: Settings) -> Revisits | None:
    if settings.revisit_queue_url is None:
        return None
    from imagesearch.adapters.sqs_revisits import SqsRevisits

    return SqsRevisits(settings.revisit_queue_url)


def change_queue(settings: Settings) -> ChangeQueue | None:
    if settings.queue_url is None:
        return None
    from imagesearch.adapters.sqs_queue import SqsQueue

    return SqsQueue(settings.queue_url)


@cache
def vector_index(settings: Settings) -> VectorIndex:
    """The index of the model's own image space: no other model's vectors can be met there."""
    model = _manifest(settings.model_uri)
    return _index(settings, index_name(settings), model.dimension, model.name)


def index_name(settings: Settings) -> str:
    return f"{settings.index_prefix}-{_manifest(settings.model_uri).image_space}"


def vector_indexes(settings: Settings) -> dict[str, VectorIndex]:
    """Every index of the prefix, of whatever model, by name. Raises Unavailable."""
    begin = f"{settings.index_prefix}-"
    if settings.index_url.startswith("sqlite:"):
        from imagesearch.adapters import embedded_spaces

        found = embedded_spaces.index_dimensions(_path(settings.index_url))
    else:
        from imagesearch.adapters import opensearch_spaces

        found = opensearch_spaces.index_dimensions(settings.index_url, begin)
    # Another system's prefix may begin with this one: behind it stands nothing but a space.
    return {
        name: _index(settings, name, dimension, model="")
        for name, dimension in sorted(found.items())
        if name.startswith(begin) and IMAGE_SPACE.fullmatch(name.removeprefix(begin))
    }


def _index(settings: Settings, name: str, dimension: int, model: str) -> VectorIndex:
    if settings.index_url.startswith("sqlite:"):
        from imagesearch.adapters.embedded_index import EmbeddedIndex

        return EmbeddedIndex(_path(settings.index_url), name, dimension)
    from imagesearch.adapters.opensearch_index import OpenSearchIndex
    from imagesearch.adapters.opensearch_layout import IndexLayout

    layout = IndexLayout(
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
def _manifest(model_uri: str) -> Manifest:
    return load_manifest(_model_folder(model_uri, [MANIFEST]))


def _duplicate_weights(model_uri: str) -> Weights:
    return _manifest(model_uri).duplicates.weights


@cache
def _image_encoder(model_uri: str) -> OnnxImageEncoder:
    manifest = _manifest(model_uri)
    return OnnxImageEncoder(_model_folder(model_uri, [manifest.image.graph]), manifest)


@cache
def _text_encoder(model_uri: str) -> OnnxTextEncoder:
    manifest = _manifest(model_uri)
    text = manifest.text
    names = [name for name in (text.graph, text.tokenizer, text.projection) if name]
    return OnnxTextEncoder(_model_folder(model_uri, names), manifest)


@cache
def _relevance(model_uri: str) -> Relevance | None:
    manifest = _manifest(model_uri)
    names = [manifest.relevance.background] if manifest.relevance else []
    return relevance(_model_folder(model_uri, names), manifest)


def _model_folder(model_uri: str, names: Sequence[str]) -> Path:
    """Where these files of the model lie on this machine."""
    return _s3_model(model_uri).folder(names) if model_uri.startswith("s3://") else Path(model_uri)


@cache
def _s3_model(model_uri: str) -> "S3Model":
    from imagesearch.adapters.s3_model import S3Model

    return S3Model(model_uri)


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
