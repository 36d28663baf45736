"""Composition root: creates the use cases and their adapters from the settings.

Adapters are imported where they are chosen, so that a function loads only those it uses. Stores,
encoders and indexes are created once per process. May import everything but the functions and
`local`.
"""

from imagesearch.bootstrap.api import (
    classifier,
    duplicate_check,
    duplicate_groups,
    feedback,
    label_sets,
    previews,
    searcher,
    uploads,
)
from imagesearch.bootstrap.indexes import index_name, vector_index, vector_indexes
from imagesearch.bootstrap.indexing import indexer, inventory, reconciler, thumbnail_cleanup
from imagesearch.bootstrap.lifecycle import release, warm_up
from imagesearch.bootstrap.models import (
    DECODING_SECONDS_ON_LAMBDA,
    image_encoder,
    language_notices,
    manifest_of,
    relevance_of,
    text_encoder,
)
from imagesearch.bootstrap.query_adapters import adapter_store, tuner
from imagesearch.bootstrap.stores import (
    change_queue,
    derived_at,
    derived_store,
    folder_store,
    image_store,
    local_path,
    recheck_queue_url,
)

__all__ = [
    "DECODING_SECONDS_ON_LAMBDA",
    "adapter_store",
    "change_queue",
    "classifier",
    "derived_at",
    "derived_store",
    "duplicate_check",
    "duplicate_groups",
    "feedback",
    "folder_store",
    "image_encoder",
    "image_store",
    "index_name",
    "indexer",
    "inventory",
    "label_sets",
    "language_notices",
    "local_path",
    "manifest_of",
    "previews",
    "recheck_queue_url",
    "reconciler",
    "release",
    "relevance_of",
    "searcher",
    "text_encoder",
    "thumbnail_cleanup",
    "tuner",
    "uploads",
    "vector_index",
    "vector_indexes",
    "warm_up",
]
