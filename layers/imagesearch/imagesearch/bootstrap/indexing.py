"""The use cases that keep the index and the thumbnails consistent with the bucket."""

from imagesearch.bootstrap.indexes import content_sources, index_name, vector_index, vector_indexes
from imagesearch.bootstrap.models import duplicate_weights, image_encoder
from imagesearch.bootstrap.stores import (
    derived_store,
    image_store,
    recheck_queue,
    recheck_queue_url,
)
from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.ports import DerivedStore, ImageEncoder
from imagesearch.duplicates.linker import Linker
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.inventory import Inventory
from imagesearch.indexing.reconciliation import Reconciler
from imagesearch.indexing.thumbnail_cleanup import ThumbnailCleanup
from imagesearch.settings import Settings


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
            vector_index(settings), duplicate_weights(settings.model_uri), recheck_queue(settings)
        ),
        sources=content_sources(settings),
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
