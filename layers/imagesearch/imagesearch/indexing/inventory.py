"""A sorted listing of a bucket from an inventory report, whose files have no order.

Listings are compared in the order of keys, and a report of 100 million objects cannot be sorted in
the memory of a function. So its objects are first divided among ranges of keys, as objects of the
derived store. A range is sorted when it is compared.
"""

import gzip
import json
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from imagesearch.domain.errors import Unavailable, UnusableReport
from imagesearch.domain.images import ImageRef, ObjectState
from imagesearch.domain.ports import DerivedStore, InventoryReport, ReportedObject
from imagesearch.domain.storage_keys import INVENTORIES
from imagesearch.indexing.comparison import KeyRange

# Reports are daily, and delivered hours after their time.
MAX_AGE = timedelta(days=2)
# In memory, an object takes up to five times as much as in JSON, where a million objects with keys
# of 50 characters have 125 MB. A range of a million indexed images exceeds the maximum only where
# the bucket has more objects that are not in the index.
BYTES_PER_WRITE = 125_000_000
MAX_SORTED_BYTES = 250_000_000
BYTES_WITHOUT_KEY = 80
PLAN, COMPLETE = "plan.json", "complete.json"


def as_listed(bucket: str, reported: ReportedObject) -> tuple[ImageRef, ObjectState]:
    """The object as `ImageStore.list_images` returns it: its time has no fractions of seconds."""
    key, etag, modified, size = reported
    time = datetime.fromisoformat(modified).replace(microsecond=0)
    return ImageRef(bucket, key), ObjectState(etag, time, size)


@dataclass(frozen=True, slots=True)
class SortedListing:
    """The objects of a range of keys, ordered by their UTF-8 bytes, as of the time `created`."""

    bucket: str
    created: datetime
    objects: Sequence[ReportedObject]

    def list_images(self, after: str = "") -> Iterator[tuple[ImageRef, ObjectState]]:
        """Every object after the key `after`, and its state, as `ImageStore.list_images`."""
        first = after.encode()
        for reported in self.objects:
            if reported[0].encode() > first:
                yield as_listed(self.bucket, reported)


@dataclass(frozen=True, slots=True)
class Divided:
    """The number of objects in the divided files; the file to continue with, or None."""

    objects: int
    rest: int | None


class Inventory:
    """Divides the reports at `uri` among ranges of keys, each report in a folder of `derived`.

    All methods raise Unavailable. `open_report` opens a report by its location.
    """

    def __init__(
        self,
        uri: str,
        open_report: Callable[[str], InventoryReport],
        derived: DerivedStore,
        bucket: str,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._uri = uri
        self._open_report = open_report
        self._derived = derived
        self._bucket = bucket
        self._clock = clock

    def begin(self, ranges: Sequence[KeyRange], indexed: int) -> str:
        """The folder for the newest report, to be divided among ranges that cover every key.

        `indexed` is the number of images in the index. Raises UnusableReport.
        """
        report = self._open_report(self._uri)
        if self._clock() - report.created > MAX_AGE:
            raise UnusableReport(f"{report.uri} is older than {MAX_AGE.days} days")
        folder = f"{INVENTORIES}{uuid4().hex}/"
        last_keys = [each.until for each in ranges[:-1]]
        plan = {
            "report": report.uri,
            "created": report.created.isoformat(),
            "last_keys": last_keys,
            "indexed": indexed,
        }
        self._put(folder + PLAN, plan)
        return folder

    def divide(self, folder: str, first: int, before: int, stopping: Callable[[], bool]) -> Divided:
        """Divide the files of a report from the file `first`, until `stopping` is true.

        `before` is the number of objects in the files before it. May be repeated with the same
        file. Raises UnusableReport, also if the report has less than half of the indexed images:
        each of the others would cost a request. An example is an inventory that has a filter.
        """
        plan = self._get(folder + PLAN)
        report = self._open_report(plan["report"])
        ranges = _Ranges(plan["last_keys"])
        objects = 0
        for file in range(first, report.files):
            for number, reported in enumerate(report.objects(file)):
                if ranges.bytes >= BYTES_PER_WRITE:
                    self._write(folder, ranges, f"{file}-{number}")
                ranges.add(reported)
                objects += 1
            if stopping() and file + 1 < report.files:
                self._write(folder, ranges, f"{file}")
                return Divided(objects, file + 1)
        self._write(folder, ranges, "last")
        if 2 * (before + objects) < plan["indexed"]:
            raise UnusableReport(
                f"{report.uri} has {before + objects:,} of {plan['indexed']:,} indexed images"
            )
        self._put(folder + COMPLETE, {})
        return Divided(objects, None)

    def listing(self, folder: str, number: int) -> SortedListing | None:
        """The range with this number, from 0; None if it is too large, or was not divided."""
        if not any(self._derived.list_keys(folder + COMPLETE)):
            return None
        objects: dict[str, ReportedObject] = {}  # a repeated part may have written an object twice
        size = 0
        for key, _ in self._derived.list_keys(_range_folder(folder, number)):
            text = self._read(key)
            size += len(text)
            if size > MAX_SORTED_BYTES:
                return None
            objects.update((each[0], tuple(each)) for each in json.loads(text))
        created = datetime.fromisoformat(self._get(folder + PLAN)["created"])
        ordered = sorted(objects.values(), key=lambda each: each[0].encode())
        return SortedListing(self._bucket, created, ordered)

    def _write(self, folder: str, ranges: "_Ranges", name: str) -> None:
        for number, objects in enumerate(ranges.take()):
            if objects:
                self._put(f"{_range_folder(folder, number)}{name}", objects)

    def _put(self, key: str, value: object) -> None:
        data = gzip.compress(json.dumps(value).encode(), compresslevel=1, mtime=0)
        self._derived.put(key, data, "application/gzip")

    def _get(self, key: str) -> Any:
        return json.loads(self._read(key))

    def _read(self, key: str) -> bytes:
        data = self._derived.get(key)
        if data is None:
            raise Unavailable(f"{key} was deleted from the derived store")
        return gzip.decompress(data)


def _range_folder(folder: str, number: int) -> str:
    return f"{folder}{number:04}/"


class _Ranges:
    """Objects that are divided by the last keys of the ranges; `bytes` is their size in JSON."""

    def __init__(self, last_keys: Sequence[str]) -> None:
        self._last_keys = [key.encode() for key in last_keys]
        self._objects: list[list[ReportedObject]] = []
        self.take()

    def add(self, reported: ReportedObject) -> None:
        key = reported[0].encode()
        self._objects[bisect_left(self._last_keys, key)].append(reported)
        self.bytes += len(key) + BYTES_WITHOUT_KEY

    def take(self) -> list[list[ReportedObject]]:
        """The objects of each range; afterwards there are none."""
        taken, self._objects = self._objects, [[] for _ in range(len(self._last_keys) + 1)]
        self.bytes = 0
        return taken
