"""Indexes of image vectors and of label vectors."""

from imagesearch.access import Scope, ScopedIndex
from imagesearch.bootstrap.models import manifest_of
from imagesearch.bootstrap.stores import derived_at, local_path
from imagesearch.domain.ports import VectorIndex
from imagesearch.embedding.manifest import IMAGE_SPACE
from imagesearch.indexing.content_reuse import ContentSource
from imagesearch.object_cache import Cached
from imagesearch.settings import Settings
from imagesearch.snapshots import reconnected


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
def label_index(settings: Settings) -> VectorIndex:
    """The index of the model's label space, which contains no vectors of other prompts."""
    model = manifest_of(settings.model_uri)
    name = f"{settings.index_prefix}-labels-{model.label_space}"
    return _index(settings, name, model.dimension, model.name)


def index_within(settings: Settings, scope: Scope | None) -> VectorIndex:
    """The index of the model's image space, restricted to a scope."""
    index = vector_index(settings)
    return ScopedIndex(index, scope) if scope else index


def content_sources(settings: Settings) -> list[ContentSource]:
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
