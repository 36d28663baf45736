"""The one place where parts are joined: from settings to use cases."""

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.manifest import Manifest, load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from imagesearch.indexing import Indexer
from imagesearch.ports import ImageStore, VectorIndex
from imagesearch.searching import Searcher
from imagesearch.settings import Settings


def indexer(settings: Settings) -> Indexer:
    """What the indexing function needs; loads the image side of the model alone."""
    return Indexer(
        image_store(settings), vector_index(settings), _image_encoder(settings.model_uri)
    )


def searcher(settings: Settings) -> Searcher:
    """What the search function needs; loads both sides of the model."""
    return Searcher(
        vector_index(settings),
        _text_encoder(settings.model_uri),
        _image_encoder(settings.model_uri),
    )


# Adapters are imported where they are chosen: a function pays at start only for what it uses.


@cache
def image_store(settings: Settings) -> ImageStore:
    if settings.bucket.startswith("file://"):
        from imagesearch.adapters.folder_store import FolderStore

        return FolderStore(_path(settings.bucket))
    from imagesearch.adapters.s3_store import S3Store

    return S3Store(settings.bucket)


@cache
def vector_index(settings: Settings) -> VectorIndex:
    """The index of the model's own image space: no other model's vectors can be met there."""
    model = _manifest(settings.model_uri)
    name = f"{settings.index_prefix}-{model.image_space}"
    if settings.index_url.startswith("sqlite:"):
        from imagesearch.adapters.embedded_index import EmbeddedIndex

        return EmbeddedIndex(_path(settings.index_url), name, model.dimension)
    from imagesearch.adapters.opensearch_index import OpenSearchIndex

    return OpenSearchIndex(settings.index_url, name, model.dimension, model=model.name)


@cache
def _manifest(model_uri: str) -> Manifest:
    return load_manifest(Path(model_uri))


@cache
def _image_encoder(model_uri: str) -> OnnxImageEncoder:
    return OnnxImageEncoder(Path(model_uri), _manifest(model_uri))


@cache
def _text_encoder(model_uri: str) -> OnnxTextEncoder:
    return OnnxTextEncoder(Path(model_uri), _manifest(model_uri))


def _path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
