"""What the use cases ask of who changes the bucket, and of where derived things lie."""

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from imagesearch.domain.images import ImageRef
from imagesearch.upload_forms import UploadForm


class BucketChanges(Protocol):
    """How the bucket is changed from here; all raise Unavailable."""

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        """What a client sends to put one object there, of this type and of bounded size.

        Raises InvalidQuery for metadata that the bucket cannot hold.
        """

    def put(
        self, ref: ImageRef, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        """Have a new object there whole, where nothing was before.

        Raises InvalidQuery for metadata that the bucket cannot hold.
        """

    def delete(self, ref: ImageRef) -> None:
        """Have no object there; none may have been there before."""


class DerivedStore(Protocol):
    """Where things lie that are made of images; its methods may be called from several threads.

    All raise Unavailable.
    """

    def put(self, key: str, data: bytes, content_type: str) -> None:
        """Have it there whole, in place of what was there."""

    def get(self, key: str) -> bytes | None:
        """What is there; None when nothing is."""

    def delete(self, key: str) -> None:
        """Have nothing there; nothing may have been there before."""

    def url(self, key: str) -> str:
        """A short-lived address at which a browser can fetch it, whether it is there or not."""
