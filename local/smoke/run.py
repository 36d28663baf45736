"""The smoke test: uploads images, waits for them, uses every operation, and deletes them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local.smoke.api_access import ApiAccess
from local.smoke.buckets import SmokeBucket
from local.smoke.images import SmokeImage, SmokeImages
from local.smoke.reconciliation import Reconciliation
from local.smoke.results import Check, CheckFailed, CheckResult, CheckSkipped, run_check
from local.smoke.timing import Stopwatch, Timing

REFUSED = (401, 403)
RELEVANT = 0.5
LABELS = ["a claw hammer", "a giant panda", "the Eiffel Tower"]
# Where the cause of a failure is found.
API = "ApiUrl and the API key; the log of the search function"
ACCESS = "the stack's parameter Access, and the stage of the API"
BUCKET = "the name of the bucket, and your permissions to put, list and delete its objects"
FORM = "the stack's parameter AllowUploads; the log of the search function"
INDEXING = (
    "the bucket's EventBridge notifications; the queues on the dashboard; the log of the indexing"
    " function; an API key that is limited to collections does not see these images"
)
RECONCILE = "the execution of the state machine; the log of the reconciling function"
MODEL = "the model and its calibration: the log of FetchModel, or `imagesearch models calibrate`"
SEARCH = "the log of the search function; the status of the OpenSearch domain"


class SmokeTest:
    """One run; `results` has the checks that have ended, in order.

    Every object is below a folder that no other run uses. `say` gets a line when a check ends, and
    while the test waits.
    """

    def __init__(
        self,
        access: ApiAccess,
        bucket: SmokeBucket,
        images: SmokeImages,
        timing: Timing | None = None,
        say: Callable[[str], None] = lambda _: None,
        reconciliation: Reconciliation | None = None,
    ) -> None:
        self.results: list[CheckResult] = []
        self._access, self._api = access, access.api
        self._bucket, self._images, self._say = bucket, images, say
        self._reconciliation = reconciliation
        self._timing = timing or Timing()
        self._watch = Stopwatch(self._timing)
        # The size of each indexed image by key: the record of a replaced object has another size.
        self._sizes: dict[str, int] = {}

    def run(self) -> list[CheckResult]:
        """Run all checks; the objects are deleted after an error and KeyboardInterrupt, too."""
        try:
            for check in self._checks():
                self._run(self._watch.in_time(check))
        finally:
            self._run(Check("clean up", self._clean_up, BUCKET))
        return self.results

    def _run(self, check: Check) -> None:
        result = run_check(check, self.results, self._timing.now)
        self.results.append(result)
        self._say(f"{result.check}: {result.result.value}")

    def _checks(self) -> Sequence[Check]:
        indexed = ("indexed",)
        refused = (
            Check(name, lambda ask=ask: self._refused(ask), ACCESS)  # type: ignore[misc]
            for name, ask in self._access.refusable.items()
        )
        return (
            Check("health", self._health, API),
            *refused,
            Check("upload", self._upload, BUCKET),
            Check("indexed", self._all_indexed, INDEXING, ("health", "upload")),
            # Not earlier: the cleanup needs the bucket of the API to be the one that was named.
            Check("upload by form", self._upload_by_form, FORM, indexed),
            Check("rejected image", self._rejected, INDEXING, indexed),
            Check("list", self._settled(self._list), SEARCH, indexed),
            Check("image URLs", self._urls, "s3:GetObject of the search function", indexed),
            Check("search by text", self._settled(self._by_text), SEARCH, indexed),
            Check("relevance", self._settled(self._relevance), MODEL, indexed),
            Check("search by image", self._settled(self._by_image), SEARCH, indexed),
            Check("search by id", self._settled(self._by_id), SEARCH, indexed),
            Check("similar images", self._settled(self._similar), SEARCH, indexed),
            Check("batch", self._settled(self._batch), SEARCH, indexed),
            Check("check for duplicates", self._settled(self._duplicates), SEARCH, indexed),
            Check("classify", self._classify, SEARCH, indexed),
            Check("overwrite", self._overwrite, INDEXING, indexed),
            Check("reconcile", self._reconcile, RECONCILE, indexed),
            Check("delete", self._delete, INDEXING, indexed),
        )

    def _settled(self, check: Callable[[], str]) -> Callable[[], str]:
        return lambda: self._watch.settled(check)

    def _health(self) -> str:
        health = self._api.health()
        return (
            f"{health['model']}, {health['images']:,} images, {health['rejected']:,} rejected,"
            f" index {health['index']} ({health['cluster']})"
        )

    def _refused(self, ask: Callable[[], Any]) -> str:
        status = ask().status_code
        if status not in REFUSED:
            if self._bucket.is_local and not self._access.has_credentials:
                raise CheckSkipped("this local server has no API key")
            raise CheckFailed(f"status {status} instead of 403")
        return f"status {status}"

    def _upload(self) -> str:
        for image in (*self._images.intact, self._images.broken):
            self._bucket.put(image)
        self._sizes |= {image.key: len(image.data) for image in self._images.intact}
        return f"{len(self._sizes) + 1} objects below {self._images.prefix}"

    def _upload_by_form(self) -> str:
        if "uploads" not in dict(self._api.health()).get("allows", ()):  # type: ignore[operator]
            raise CheckSkipped("uploads through the API are disabled")
        image = self._images.form
        with TemporaryDirectory() as folder:
            file = Path(folder) / Path(image.key).name
            file.write_bytes(image.data)
            collection = self._images.collection
            key = self._api.upload(file, image.content_type, collection=collection)["key"]
        self._wait_for({key: len(image.data)})
        self._sizes[key] = len(image.data)
        return key

    def _all_indexed(self) -> str:
        self._wait_for(self._sizes)
        return f"{len(self._sizes)} images"

    def _wait_for(self, sizes: Mapping[str, int]) -> None:
        """Wait until these keys are indexed with these sizes."""

        def missing() -> list[str]:
            found = {each["key"]: each["size"] for each in self._listed(status="indexed")}
            return [key for key, size in sizes.items() if found.get(key) != size]

        self._watch.wait(missing, self._say)

    def _rejected(self) -> str:
        key = self._images.broken.key
        self._watch.wait(lambda: [] if key in self._records() else [key], self._say)
        record = self._records()[key]
        if record["status"] != "rejected" or not record.get("reason"):
            raise CheckFailed(f"{key} has the status {record['status']}")
        return f"reason: {record['reason']}"

    def _list(self) -> str:
        broken = self._images.broken.key
        for status, keys in (("indexed", set(self._sizes)), ("rejected", {broken})):
            listed = {each["key"] for each in self._listed(status=status)}
            if different := sorted(listed ^ keys):
                raise CheckFailed(f"lists of status {status} differ by {', '.join(different)}")
        return f"{len(self._sizes) + 1} records"

    def _urls(self) -> str:
        records = self._records()
        for image in self._images.intact:
            if self._access.fetch(records[image.key]["url"]) != image.data:
                raise CheckFailed(f"the URL of {image.key} returns another file")
        panda = records[self._images.panda.key]
        if panda["thumbnail_url"] is None:
            raise CheckFailed(f"{panda['key']} has no thumbnail")
        width, height = _size(self._access.fetch(panda["thumbnail_url"]))
        return f"{len(self._images.intact)} files, thumbnail of {width} x {height} pixels"

    def _by_text(self) -> str:
        for text, wanted in self._images.texts.items():
            self._first(text, wanted, f"for {text!r}")
        return "JPEG, WebP and HEIC found"

    def _relevance(self) -> str:
        """The figures of the model, as it is deployed: 0.5 separates relevant images."""
        matching: list[float] = []
        others: list[float] = []
        for text, wanted in self._images.texts.items():
            keys = {image.key for image in wanted}
            for hit in self._search(text):
                if hit["relevance"] is None:
                    raise CheckSkipped("the model has no calibration")
                (matching if hit["key"] in keys else others).append(hit["relevance"])
        if not matching:
            raise CheckFailed("no text finds its image")
        most = max(others, default=0.0)
        figures = f"matches {min(matching):.2f} or more, others at most {most:.2f}"
        if min(matching) < RELEVANT:
            raise CheckFailed(f"a match has a relevance below {RELEVANT}: {figures}")
        return figures

    def _by_image(self) -> str:
        images = self._images
        self._first(images.goldfish.data, (images.goldfish,), "for its own HEIC file")
        self._first(images.panda.data, (images.panda, images.copy), "for its own JPEG file")
        return "JPEG and HEIC"

    def _by_id(self) -> str:
        self._first({"id": self._id(self._images.panda)}, (self._images.copy,), "for an id")
        return "the copy is the first hit"

    def _similar(self) -> str:
        found = self._api.similar(
            self._id(self._images.panda), collection=self._images.collection, limit=1
        )
        _check_first(found["hits"], (self._images.copy,), "as similar image")
        return "the copy is the first hit"

    def _batch(self) -> str:
        query = {"query": {"text": "a goldfish"}, "collection": self._images.collection}
        results: list[Any] = self._api.search_many([query, {"query": {"id": "unknown"}}])
        found, failed = results
        _check_first(found["hits"], (self._images.goldfish,), "in a batch")
        if failed.get("error", {}).get("code") != "not_found":
            raise CheckFailed(f"an unknown id in a batch has the result {failed}")
        return "a result and an error"

    def _duplicates(self) -> str:
        copy, goldfish = self._images.copy.key, self._images.goldfish
        found = self._duplicates_of(self._id(self._images.panda))
        if copy not in found:
            raise CheckFailed(f"{copy} is not a duplicate of {self._images.panda.key}")
        if self._duplicates_of(goldfish.data).get(goldfish.key) != "exact":
            raise CheckFailed(f"{goldfish.key} is not an exact duplicate of its own file")
        return "exact and near"

    def _classify(self) -> str:
        best = self._api.classify(self._images.panda.data, labels=LABELS)["labels"][0]
        if best["label"] != "a giant panda":
            raise CheckFailed(f"the panda is labeled as {best['label']}")
        return f"{best['label']}, {best['score']:.2f}"

    def _overwrite(self) -> str:
        before, after = self._images.before, self._images.after
        if before.key not in self._duplicates_of(before.data):
            raise CheckFailed("the first content is not found")
        self._bucket.put(after)
        self._wait_for({after.key: len(after.data)})
        return self._watch.settled(self._only_new_content)

    def _only_new_content(self) -> str:
        before, after = self._images.before, self._images.after
        if before.key in self._duplicates_of(before.data):
            raise CheckFailed("the replaced content is still found")
        if after.key not in self._duplicates_of(after.data):
            raise CheckFailed("the new content is not found")
        self._first("an owl", (after,), "for 'an owl'")
        return "the new content is found, the old one is not"

    def _reconcile(self) -> str:
        """A large bucket takes longer than this test; its execution continues."""
        if not self._reconciliation:
            raise CheckSkipped("no stack is named: add --stack")
        self._reconciliation.start()
        result = self._reconciliation.result
        details: str | None = None

        def running() -> list[str]:
            nonlocal details
            details = result()
            return ["the reconciliation"] if details is None else []

        try:
            self._watch.wait(running, self._say)
        except CheckFailed as error:
            if details is not None or "the reconciliation" not in str(error):
                raise
            raise CheckSkipped(f"it is still running, as for a large bucket ({error})") from error
        return str(details)

    def _delete(self) -> str:
        deleted = self._delete_objects()
        self._watch.wait(lambda: sorted(self._records()), self._say)
        self._watch.settled(self._nothing_found)
        return f"{deleted} objects gone from bucket and index"

    def _nothing_found(self) -> None:
        if hits := self._search("a giant panda"):
            raise CheckFailed(f"still found: {', '.join(each['key'] for each in hits)}")

    def _clean_up(self) -> str:
        deleted, prefix = self._delete_objects(), self._images.prefix
        if left := self._bucket.keys(prefix):
            raise CheckFailed(f"not deleted: {', '.join(left)}")
        return f"{deleted} objects{self._delete_versions()} deleted; none left below {prefix}"

    def _delete_versions(self) -> str:
        """An addition to the number of objects; without permission, the versions expire later."""
        try:
            versions = self._bucket.delete_versions(self._images.prefix)
        except Exception as error:  # botocore's errors, which a folder does not have
            self._say(f"old versions remain until they expire: {error}")
            return ""
        return f" and {versions} old versions" if versions else ""

    def _delete_objects(self) -> int:
        """Delete all objects of this run; an upload that was interrupted may have written one."""
        keys = self._bucket.keys(self._images.prefix)
        for key in keys:
            self._bucket.delete(key)
        return len(keys)

    def _listed(self, **options: Any) -> list[dict[str, Any]]:
        options = {"status": None, **options}
        return [dict(each) for each in self._api.images(prefix=self._images.prefix, **options)]

    def _records(self) -> dict[str, dict[str, Any]]:
        return {each["key"]: each for each in self._listed()}

    def _id(self, image: SmokeImage) -> str:
        return str(self._records()[image.key]["id"])

    def _search(self, query: Any) -> list[Any]:
        return list(self._api.search(query, collection=self._images.collection)["hits"])

    def _first(self, query: Any, wanted: Sequence[SmokeImage], purpose: str) -> None:
        _check_first(self._search(query), wanted, purpose)

    def _duplicates_of(self, picture: bytes | str) -> dict[str, str]:
        """The kind of each match by key."""
        matches = self._api.check_duplicate(picture)["matches"]
        return {each["image"]["key"]: each["kind"] for each in matches}


def _check_first(hits: Sequence[Any], wanted: Sequence[SmokeImage], purpose: str) -> None:
    first = hits[0]["key"] if hits else "nothing"
    if first not in {image.key for image in wanted}:
        raise CheckFailed(f"{first} is found {purpose} instead of {wanted[0].key}")


def _size(data: bytes) -> tuple[int, int]:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as opened:
        return opened.size
