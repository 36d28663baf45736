"""The same bytes are never embedded twice: what a record says of them is used again."""

import hashlib
import logging
import threading
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailsWanted, EncodedImage
from imagesearch.domain.ports import ContentLookup, Delete, DerivedStore, ImageEncoder
from imagesearch.indexing.planner import ExistingObject, Known, PlannedWrite, Planner

# About 40 MB: a record, its embedding and its thumbnail have 20 KB. Two folders with as many images
# can swap their names, and a folder of as many can be renamed while it is looked at.
MOST_KEPT = 2_048

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ContentSource:
    """An index of the encoder's image space, and the store of the thumbnails it names, if any."""

    records: ContentLookup
    thumbnails: DerivedStore | None


@dataclass(frozen=True, slots=True)
class _Content:
    found: ExistingObject
    data: bytes
    sha256: str


class ContentPlanner:
    """Plans the records of files that have been read; may be used from several threads.

    The first of the `sources` is the index that is written, and is asked first. A source that fails
    costs time alone: what is not found is decoded and embedded. A record may be overwritten or
    deleted before its bytes turn up under another name, so the last ones are kept here: names are
    swapped, or an event about the old name of a renamed image comes first.
    """

    def __init__(
        self,
        planner: Planner,
        encoder: ImageEncoder,
        details: DetailsWanted,
        sources: Sequence[ContentSource],
        threads: Executor,
    ) -> None:
        self._planner = planner
        self._encoder = encoder
        self._details = details
        self._sources = sources
        self._threads = threads
        self._failed: list[ContentSource] = []
        self._kept: dict[str, Known] = {}
        self._lock = threading.Lock()

    def plan(self, read: Sequence[tuple[ExistingObject, bytes]]) -> list[PlannedWrite]:
        """A write for each file, in their order; bytes that no record describes are decoded once.

        Raises Unavailable where no decoder can be started.
        """
        hashes = self._threads.map(_sha256, [data for _, data in read])
        contents = [
            _Content(found, data, sha256)
            for (found, data), sha256 in zip(read, hashes, strict=True)
        ]
        same = [self._planner.same_bytes(each.found, each.sha256) for each in contents]
        new = [each for each, plan in zip(contents, same, strict=True) if plan is None]
        known = self._known(each.sha256 for each in new)
        images = self._encoded(each for each in new if each.sha256 not in known)
        made = iter(self._recorded(new, known, images))
        planned = [plan or next(made) for plan in same]
        self.keep(planned)
        return planned

    def _recorded(
        self,
        new: Sequence[_Content],
        known: Mapping[str, Known],
        images: Mapping[str, EncodedImage | UnreadableImage],
    ) -> Iterable[PlannedWrite]:
        recorded: set[str] = set()
        for each in new:
            if record := known.get(each.sha256):
                yield self._planner.reuse(each.found, record)
                continue
            image = images[each.sha256]
            if isinstance(image, UnreadableImage):
                yield self._planner.reject(each.found, image.message)
                continue
            reused = each.sha256 in recorded
            recorded.add(each.sha256)
            yield self._planner.record(each.found, each.sha256, image, reused=reused)

    def _encoded(self, contents: Iterable[_Content]) -> dict[str, EncodedImage | UnreadableImage]:
        files = {each.sha256: each.data for each in contents}
        if not files:
            return {}
        images = self._encoder.encode_images([*files.values()], self._details)
        return dict(zip(files, images, strict=True))

    def _known(self, hashes: Iterable[str]) -> dict[str, Known]:
        wanted = list(dict.fromkeys(hashes))
        with self._lock:
            known = {each: self._kept[each] for each in wanted if each in self._kept}
        for source in self._sources:
            if missing := [sha256 for sha256 in wanted if sha256 not in known]:
                known |= self._found(source, missing)
        return known

    def keep(self, planned: Sequence[PlannedWrite]) -> None:
        """Keep what these writes replace or delete: its bytes may turn up under another name."""
        old = {plan.seen.document.sha256 for plan in planned if plan.seen.document}
        new = {plan.write.document.sha256 for plan in planned if not isinstance(plan.write, Delete)}
        if lost := [sha256 for sha256 in old - new if sha256]:
            found = self._found(self._sources[0], lost)
            with self._lock:
                self._kept |= found
                for oldest in list(self._kept)[:-MOST_KEPT]:
                    del self._kept[oldest]

    def _found(self, source: ContentSource, hashes: Sequence[str]) -> dict[str, Known]:
        try:
            found = source.records.by_sha256(hashes, self._encoder.decoder)
        except Exception as error:
            if source not in self._failed:
                self._failed.append(source)
                _log.warning("known content cannot be looked up in an index: %s", error)
            return {}
        usable = [
            Known(each.document, each.embedding)
            for each in found.values()
            if each.embedding is not None and self._planner.is_complete(each.document)
        ]
        whole = self._threads.map(lambda known: _with_thumbnail(known, source.thumbnails), usable)
        return {known.sha256: known for known in whole if known}


def _with_thumbnail(known: Known, store: DerivedStore | None) -> Known | None:
    """The same with the thumbnail that its document names; None where that cannot be read."""
    name = known.document.thumbnail
    if not name or store is None:
        return known
    try:
        thumbnail = store.get(name)
    except Exception as error:
        # A role without s3:ListBucket is refused (403) what is not there.
        _log.debug("a thumbnail cannot be read, so its image is decoded again: %s", error)
        return None
    return None if thumbnail is None else Known(known.document, known.embedding, thumbnail)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
