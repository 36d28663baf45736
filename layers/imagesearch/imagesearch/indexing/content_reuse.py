"""Reuse of index records for files with the same bytes, which are decoded and embedded once."""

import hashlib
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from imagesearch.domain.derived_objects import is_intact
from imagesearch.domain.errors import OutOfTime, UnreadableImage
from imagesearch.domain.images import DetailOptions, EncodedImage
from imagesearch.domain.ports import ContentLookup, Delete, DerivedStore, ImageEncoder
from imagesearch.domain.storage_keys import large_thumbnail_key
from imagesearch.indexing.planner import ExistingObject, KnownContent, PlannedWrite, Planner

# About 100 MB: a record, its embedding and its thumbnails have 50 KB. Enough for two folders of
# this many images that swap their names, or a folder that is renamed while it is indexed.
MAX_CACHED = 2_048

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ContentSource:
    """An index of the encoder's image space, and the store of its thumbnails."""

    records: ContentLookup
    thumbnails: DerivedStore | None


@dataclass(frozen=True, slots=True)
class _Content:
    existing: ExistingObject
    data: bytes
    sha256: str


class ContentPlanner:
    """Plans the writes for files that have been read; may be used from several threads.

    The first of the `sources` is the index that is written. If a source fails, files whose records
    are not found elsewhere are decoded. Records that are about to be replaced or deleted are cached
    in memory, because their bytes may follow under another key: when files swap names, or when the
    event of a renamed image's old key comes first.
    """

    def __init__(
        self,
        planner: Planner,
        encoder: ImageEncoder,
        details: DetailOptions,
        sources: Sequence[ContentSource],
        threads: Executor,
    ) -> None:
        self._planner = planner
        self._encoder = encoder
        self._details = details
        self._sources = sources
        self._threads = threads
        self._failed: list[ContentSource] = []
        self._cache: dict[str, KnownContent] = {}
        self._lock = threading.Lock()

    def plan(self, read: Sequence[tuple[ExistingObject, bytes]]) -> list[PlannedWrite | OutOfTime]:
        """A write for each file, in their order; bytes that no record describes are decoded once.

        OutOfTime is returned for a file that was not decoded before the deadline.

        Raises Unavailable or ConfigurationError if no decoder can be started.
        """
        hashes = self._threads.map(_sha256, [data for _, data in read])
        contents = [
            _Content(existing, data, sha256)
            for (existing, data), sha256 in zip(read, hashes, strict=True)
        ]
        same = [self._planner.same_bytes(each.existing, each.sha256) for each in contents]
        new = [each for each, plan in zip(contents, same, strict=True) if plan is None]
        known = self._known(each.sha256 for each in new)
        images = self._encoded(each for each in new if each.sha256 not in known)
        made = iter(self._recorded(new, known, images))
        planned = [plan or next(made) for plan in same]
        self.keep([plan for plan in planned if isinstance(plan, PlannedWrite)])
        return planned

    def _recorded(
        self,
        new: Sequence[_Content],
        known: Mapping[str, KnownContent],
        images: Mapping[str, EncodedImage | UnreadableImage],
    ) -> Iterable[PlannedWrite | OutOfTime]:
        recorded: set[str] = set()
        for each in new:
            if record := known.get(each.sha256):
                yield self._planner.reuse(each.existing, record)
                continue
            image = images[each.sha256]
            if isinstance(image, OutOfTime):
                yield image
                continue
            if isinstance(image, UnreadableImage):
                yield self._planner.reject(each.existing, image.message)
                continue
            reused = each.sha256 in recorded
            recorded.add(each.sha256)
            yield self._planner.record(each.existing, each.sha256, image, reused=reused)

    def _encoded(self, contents: Iterable[_Content]) -> dict[str, EncodedImage | UnreadableImage]:
        files = {each.sha256: each.data for each in contents}
        if not files:
            return {}
        images = self._encoder.encode_images([*files.values()], self._details)
        return dict(zip(files, images, strict=True))

    def _known(self, hashes: Iterable[str]) -> dict[str, KnownContent]:
        unique = list(dict.fromkeys(hashes))
        with self._lock:
            known = {each: self._cache[each] for each in unique if each in self._cache}
        for source in self._sources:
            if missing := [sha256 for sha256 in unique if sha256 not in known]:
                known |= self._lookup(source, missing)
        return known

    def keep(self, planned: Sequence[PlannedWrite]) -> None:
        """Cache the records that these writes replace or delete."""
        old = {plan.observed.document.sha256 for plan in planned if plan.observed.document}
        new = {plan.write.document.sha256 for plan in planned if not isinstance(plan.write, Delete)}
        if lost := [sha256 for sha256 in old - new if sha256]:
            replaced = self._lookup(self._sources[0], lost)
            with self._lock:
                self._cache |= replaced
                for oldest in list(self._cache)[:-MAX_CACHED]:
                    del self._cache[oldest]

    def _lookup(self, source: ContentSource, hashes: Sequence[str]) -> dict[str, KnownContent]:
        try:
            records = source.records.by_sha256(hashes, self._encoder.decoder)
        except Exception as error:
            if source not in self._failed:
                self._failed.append(source)
                _log.warning("looking up known content in an index failed: %s", error)
            return {}
        usable = [
            KnownContent(each.document, each.embedding)
            for each in records.values()
            if each.embedding is not None and self._planner.is_complete(each.document)
        ]
        complete = self._threads.map(
            lambda known: _with_thumbnail(known, source.thumbnails), usable
        )
        return {known.sha256: known for known in complete if known}


def _with_thumbnail(known: KnownContent, store: DerivedStore | None) -> KnownContent | None:
    """The record with its thumbnails; None if one cannot be read or is damaged."""
    key = known.document.thumbnail
    if not key or store is None:
        return known
    try:
        thumbnail = store.get(key)
        has_large = known.document.large_thumbnail
        large = store.get(large_thumbnail_key(key)) if has_large else None
    except Exception as error:
        # Without s3:ListBucket, S3 answers 403 for a key that does not exist.
        _log.debug("a thumbnail cannot be read, its image is decoded again: %s", error)
        return None
    if thumbnail is None or not is_intact(key, thumbnail):
        return None
    if has_large and (large is None or not is_intact(large_thumbnail_key(key), large)):
        return None
    return KnownContent(known.document, known.embedding, thumbnail, large)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
