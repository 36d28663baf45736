"""The one place where parts are joined: from settings to use cases."""

from functools import cache, partial

from imagesearch.access import ScopedIndex
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.domain.ports import Revisits, VectorIndex
from imagesearch.duplicates.checker import DuplicateCheck
from imagesearch.duplicates.groups import DuplicateGroups
from imagesearch.duplicates.linker import Linker
from imagesearch.embedding.manifest import IMAGE_SPACE
from imagesearch.feedback import Feedback
from imagesearch.indexing.content_reuse import ContentSource
from imagesearch.indexing.indexer import Indexer
from imagesearch.model_in_use import (
    duplicate_weights,
    image_encoder,
    manifest_of,
    relevance_of,
    text_encoder,
)
from imagesearch.restoring import after_restore
from imagesearch.scoping import Scope, ScopedChanges, ScopedStore
from imagesearch.search.query_encoder import QueryVectors
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.searcher import Searcher
from imagesearch.settings import Settings
from imagesearch.stores import bucket_changes, derived_at, local_path, web_images
from imagesearch.stores import change_queue as change_queue
from imagesearch.stores import derived_store as derived_store
from imagesearch.stores import folder_store as folder_store
from imagesearch.stores import image_store as image_store
from imagesearch.uploads import Allowed, Intake


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
            vector_index(settings), duplicate_weights(settings.model_uri), _revisits(settings)
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
    vectors = QueryVectors(_index_within(settings, scope), texts, images, web_images(settings))
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
    from imagesearch.adapters.sqlite.content_lookup import EmbeddedContent

    name, dimension = index_name(settings), manifest_of(settings.model_uri).dimension
    sources = [each.split(",") for each in settings.reuse_from.split()]
    return [
        ContentSource(EmbeddedContent(local_path(index), name, dimension), derived_at(derived))
        for index, derived in sources
    ]


def _revisits(settings: Settings) -> Revisits | None:
    if settings.revisit_queue_url is None:
        return None
    from imagesearch.adapters.sqs import SqsRevisits

    return SqsRevisits(settings.revisit_queue_url)


def intake(settings: Settings, scope: Scope | None = None) -> Intake | None:
    """What changes the bucket; None where that is not permitted."""
    derived = derived_store(settings)
    allowed = Allowed(settings.allow_uploads, settings.allow_delete)
    if derived is None or not (allowed.uploads or allowed.deletions):
        return None
    store, changes = image_store(settings), bucket_changes(settings)
    if scope:
        store, changes = ScopedStore(store, scope), ScopedChanges(changes, scope)
    index, web = _index_within(settings, scope), web_images(settings)
    return Intake(store, index, changes, derived, allowed, web=web)


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
        from imagesearch.adapters import embedded_spaces

        found = embedded_spaces.index_dimensions(local_path(settings.index_url))
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
        from imagesearch.adapters.sqlite.index import EmbeddedIndex

        return EmbeddedIndex(local_path(settings.index_url), name, dimension)
    from imagesearch.adapters.opensearch.index import OpenSearchIndex
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
def _label_index(settings: Settings) -> VectorIndex:
    """The index of labels as this model is told them: no other prompts' vectors are met there."""
    model = manifest_of(settings.model_uri)
    name = f"{settings.index_prefix}-labels-{model.label_space}"
    return _index(settings, name, model.dimension, model.name)


def _label_encoder(settings: Settings) -> LabelEncoder:
    return LabelEncoder(text_encoder(settings.model_uri), manifest_of(settings.model_uri).prompts)
