"""Use case: show an indexed image in a format and size that every browser displays."""

from dataclasses import dataclass

from imagesearch.domain.errors import (
    ObjectChanged,
    Unavailable,
    UnreadableImage,
    UnreadableObject,
)
from imagesearch.domain.images import Document, Status
from imagesearch.domain.ports import ImageStore, PreviewMaker, VectorIndex
from imagesearch.search.query_encoder import indexed_image_not_found

LONGEST_SIDE = 1_600
# To be raised when the pixels or the format of previews change.
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Previews:
    """Previews of the images in `index`, decoded for each request; none are stored."""

    index: VectorIndex
    store: ImageStore
    maker: PreviewMaker

    def document(self, id: str) -> Document:
        """The record of an indexed image. Raises NotFound, Unavailable."""
        stored = self.index.get([id]).get(id)
        document = stored.document if stored else None
        if document is None or document.status is not Status.INDEXED:
            raise indexed_image_not_found(id)
        return document

    def preview(self, document: Document) -> bytes:
        """A WebP file of at most `LONGEST_SIDE` pixels in width and height.

        Raises NotFound for an image that was deleted since it was indexed, UnreadableImage,
        Unavailable.
        """
        state = self.store.head(document.ref)
        if state is None:
            raise indexed_image_not_found(document.id)
        try:
            data = self.store.read(document.ref, state)
        except UnreadableObject as error:
            raise UnreadableImage(error.message, error.hint, error.code) from error
        except ObjectChanged as error:
            raise Unavailable(error.message, "send the request again") from error
        return self.maker.preview(data, LONGEST_SIDE)


def version_of(document: Document) -> str:
    """A text that changes with the preview of the image."""
    return f"{_VERSION} {document.sha256 or document.etag}"
