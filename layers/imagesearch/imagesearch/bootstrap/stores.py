"""Stores of images and of derived data, queues, and downloads from the web."""

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from imagesearch.domain.errors import ConfigurationError
from imagesearch.domain.ports import (
    BucketChanges,
    ChangeQueue,
    DerivedStore,
    ImageStore,
    RecheckQueue,
    WebImages,
)
from imagesearch.object_cache import Cached
from imagesearch.settings import Settings
from imagesearch.snapshots import reconnected

if TYPE_CHECKING:
    from imagesearch.adapters.filesystem.image_store import FolderStore


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


def change_queue(settings: Settings) -> ChangeQueue | None:
    """The queue of changes that are to be indexed; None if QUEUE_URL is not set."""
    if settings.queue_url is None:
        return None
    from imagesearch.adapters.sqs import SqsQueue

    return reconnected(SqsQueue(settings.queue_url))


def recheck_queue_url(settings: Settings) -> str:
    """The queue that has keys processed again. Raises ConfigurationError if it is not set."""
    if settings.revisit_queue_url is None:
        raise ConfigurationError(
            "REVISIT_QUEUE_URL is not set", "set it to the queue of the indexing function"
        )
    return settings.revisit_queue_url


def recheck_queue(settings: Settings) -> RecheckQueue | None:
    """The queue that has keys processed again; None if REVISIT_QUEUE_URL is not set."""
    if settings.revisit_queue_url is None:
        return None
    from imagesearch.adapters.sqs import SqsRecheckQueue

    return reconnected(SqsRecheckQueue(settings.revisit_queue_url))


def local_path(url: str) -> Path:
    """The path of a `file://` or `sqlite://` URL."""
    return Path(unquote(urlsplit(url).path))
