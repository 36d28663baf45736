"""Where images and what is made of them lie, as the settings say."""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from imagesearch.bucket_ports import BucketChanges, DerivedStore
from imagesearch.domain.ports import ChangeQueue, ImageStore, WebImages
from imagesearch.settings import Settings

if TYPE_CHECKING:
    from imagesearch.adapters.filesystem.image_store import FolderStore

# Adapters are imported where they are chosen: a function pays at start only for what it uses.


@cache
def image_store(settings: Settings) -> ImageStore:
    if settings.bucket.startswith("file://"):
        return folder_store(settings)
    from imagesearch.adapters.s3 import S3Store

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
    from imagesearch.adapters.s3_derived import S3Derived

    return S3Derived(uri)


def bucket_changes(settings: Settings) -> BucketChanges:
    if settings.bucket.startswith("file://"):
        from imagesearch.adapters.filesystem.bucket_changes import FolderChanges

        return FolderChanges(
            local_path(settings.bucket),
            local_path(settings.derived_uri or ""),
            folder_store(settings).excludes,
        )
    from imagesearch.adapters.s3_changes import S3Changes

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
    from imagesearch.adapters.sqs_queue import SqsQueue

    return SqsQueue(settings.queue_url)


def local_path(url: str) -> Path:
    return Path(unquote(urlsplit(url).path))
