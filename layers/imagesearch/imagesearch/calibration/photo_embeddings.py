"""Embeds photos and edits of them, in batches that are edited one ahead of the embedding."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from imagesearch.calibration.duplicate_weights import Fingerprints
from imagesearch.calibration.ports import PhotoEditor
from imagesearch.domain.images import DetailOptions, Embedding, EncodedImage
from imagesearch.domain.ports import ImageEncoder
from imagesearch.duplicates.miniatures import Miniature

BATCH = 16


@dataclass(frozen=True)
class PhotoEmbeddings:
    """Embeds photos (image files) after an edit; `report` gets the number of photos embedded."""

    photos: Sequence[bytes]
    encoder: ImageEncoder
    editor: PhotoEditor
    report: Callable[[int], None]

    def vectors(self, rows: Sequence[int], edit: str | None = None) -> Embedding:
        """[R, D]. Raises UnreadableImage."""
        return np.stack([image.embedding for image in self._encoded(rows, edit, None)])

    def fingerprints(self, rows: Sequence[int], edit: str | None = None) -> Fingerprints:
        """Embeddings and image details. Raises UnreadableImage."""
        images = list(self._encoded(rows, edit, DetailOptions()))
        details = [image.details for image in images if image.details]
        return Fingerprints(
            np.stack([image.embedding for image in images]),
            [each.phash for each in details],
            [Miniature.of(each.miniature) for each in details],
        )

    def _encoded(
        self, rows: Sequence[int], edit: str | None, details: DetailOptions | None
    ) -> Iterator[EncodedImage]:
        for files in self._batches(rows, edit):
            for image in self.encoder.encode_images(files, details):
                if not isinstance(image, EncodedImage):
                    raise image
                yield image
            self.report(len(files))

    def _batches(self, rows: Sequence[int], edit: str | None) -> Iterator[list[bytes]]:
        """The files of each batch, while those of the next one are edited in another thread."""

        def files(start: int) -> list[bytes]:
            photos = [self.photos[row] for row in rows[start : start + BATCH]]
            return [self.editor.edited(photo, edit) if edit else photo for photo in photos]

        starts = range(0, len(rows), BATCH)
        with ThreadPoolExecutor(1, thread_name_prefix="editing") as thread:
            ahead: list[Future[list[bytes]]] = [thread.submit(files, each) for each in starts[:1]]
            for following in [*starts[1:], None]:
                current = ahead.pop()
                if following is not None:
                    ahead.append(thread.submit(files, following))
                yield current.result()
