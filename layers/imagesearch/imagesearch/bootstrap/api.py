"""The use cases of the API, within the scope of a key."""

from functools import partial

from imagesearch.access import Scope, ScopedChanges, ScopedStore
from imagesearch.bootstrap.indexes import index_within, label_index, vector_index
from imagesearch.bootstrap.models import (
    duplicate_weights,
    image_encoder,
    language_notices,
    manifest_of,
    relevance_of,
    text_encoder,
)
from imagesearch.bootstrap.query_adapters import query_adapter
from imagesearch.bootstrap.stores import bucket_changes, derived_store, image_store, web_images
from imagesearch.classification.classifier import Classifier
from imagesearch.classification.label_sets import LabelSets
from imagesearch.classification.prompts import LabelEncoder
from imagesearch.duplicates.checker import DuplicateChecker
from imagesearch.duplicates.groups import DuplicateFinder
from imagesearch.feedback import Feedback
from imagesearch.search.previews import Previews
from imagesearch.search.query_encoder import QueryEncoder
from imagesearch.search.search_ids import SearchIds
from imagesearch.search.searcher import Searcher
from imagesearch.settings import Settings
from imagesearch.uploads import Permissions, UploadService


def searcher(settings: Settings, scope: Scope | None = None) -> Searcher:
    """The searches within a scope; loads both encoders."""
    return Searcher(
        index_within(settings, scope),
        text_encoder(settings.model_uri),
        image_encoder(settings.model_uri),
        relevance_of(settings.model_uri),
        web_images(settings),
        language_notices(settings.model_uri),
        _search_ids(settings),
        query_adapter(settings) or (lambda: None),
    )


def classifier(settings: Settings, scope: Scope | None = None) -> Classifier:
    """Classification of images, by labels or by neighbors within a scope; loads both encoders."""
    texts, images = text_encoder(settings.model_uri), image_encoder(settings.model_uri)
    vectors = QueryEncoder(index_within(settings, scope), texts, images, web_images(settings))
    return Classifier(vectors, _label_encoder(settings), label_sets(settings, scope))


def label_sets(settings: Settings, scope: Scope | None = None) -> LabelSets:
    """The label sets, whose index is opened on first use.

    Label sets and what they have learned from examples are shared by all keys, and read-only for
    keys that are bound to collections.
    """
    index = partial(label_index, settings)
    return LabelSets(
        index,
        _label_encoder(settings),
        open_images=partial(vector_index, settings),
        read_only=scope is not None,
    )


def _label_encoder(settings: Settings) -> LabelEncoder:
    manifest = manifest_of(settings.model_uri)
    return LabelEncoder(
        text_encoder(settings.model_uri), manifest.prompts, manifest.duplicates.weights.copy_cosine
    )


def feedback(settings: Settings, scope: Scope | None = None) -> Feedback:
    """Relevance feedback on images within a scope."""
    manifest = manifest_of(settings.model_uri)
    return Feedback(
        index_within(settings, scope),
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
    return DuplicateFinder(index_within(settings, scope))


def duplicate_check(settings: Settings, scope: Scope | None = None) -> DuplicateChecker:
    """The check for duplicates of one image among those within a scope."""
    images, weights = image_encoder(settings.model_uri), duplicate_weights(settings.model_uri)
    return DuplicateChecker(index_within(settings, scope), images, weights)


def previews(settings: Settings, scope: Scope | None = None) -> Previews:
    """Previews of the images within a scope; loads no model."""
    index, maker = index_within(settings, scope), image_encoder(settings.model_uri)
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
    index, web = index_within(settings, scope), web_images(settings)
    return UploadService(store, index, changes, derived, permissions, web=web)
