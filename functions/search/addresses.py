"""Where an image and its small copy can be fetched for the next minutes."""

from dataclasses import dataclass

from imagesearch.bucket_ports import DerivedStore
from imagesearch.domain.images import Document
from imagesearch.domain.ports import ImageStore


@dataclass(frozen=True)
class Addresses:
    """Without a derived store there are no small copies."""

    images: ImageStore
    derived: DerivedStore | None = None

    def image(self, document: Document) -> str:
        """Raises Unavailable."""
        return self.images.url(document.ref)

    def thumbnail(self, document: Document) -> str | None:
        """Raises Unavailable."""
        small = document.thumbnail
        return self.derived.url(small) if self.derived and small else None
