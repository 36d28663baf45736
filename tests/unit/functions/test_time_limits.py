"""Claims: slow images end as errors of their own before the timeout of the function."""

import math
from base64 import b64encode
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.index_images.handler import WRITE_SECONDS, BatchReport, make_handler
from functions.search.handler import make_handler as make_search_handler
from functions.search.request_log import RequestLog
from imagesearch import bootstrap
from imagesearch.domain.deadline import current_time_left, share_of_time, time_limit
from imagesearch.domain.errors import OutOfTime, UnreadableImage
from imagesearch.domain.images import DetailOptions, EncodedImage, Status
from imagesearch.embedding.decoding.preprocessing import Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from imagesearch.indexing.indexer import Indexer
from tests.support.fake_index import FakeIndex
from tests.support.fakes import BUCKET, FakeImages, FakeStore, picture, vector
from tests.support.handlers import CONTEXT, Response, http, in_queue, parse_response
from tests.unit.embedding.conftest import make_flat_png

LIMIT = bootstrap.DECODING_SECONDS_ON_LAMBDA
TIMEOUT = 60.0


class Killed(BaseException):
    """Lambda ends the process: no handler catches this."""


@dataclass
class Invocation:
    """The clock of an invocation, which only decoding moves on."""

    timeout: float = TIMEOUT
    killed_at: float = math.inf
    now: float = 0.0

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        if self.now > min(self.timeout, self.killed_at):
            raise Killed

    @property
    def context(self) -> Any:
        left = lambda: max(0, round((self.timeout - self.now) * 1000))  # noqa: E731
        return SimpleNamespace(aws_request_id="r", get_remaining_time_in_millis=left)


@dataclass
class SlowImages(FakeImages):
    """Decodes one image after another; `slow N` takes N seconds of the invocation."""

    invocation: Invocation = field(default_factory=Invocation)

    def _encode(self, data: bytes, details: DetailOptions | None) -> EncodedImage | UnreadableImage:
        *_, seconds = data.decode(errors="replace").split()
        left = current_time_left()()
        self.invocation.pass_time(max(0.0, min(float(seconds), LIMIT, left)))
        if min(float(seconds), LIMIT) > left:
            return OutOfTime("out of time")
        if float(seconds) > LIMIT:
            return UnreadableImage("too slow", code="decoder_timeout")
        return super()._encode(data, details)


@dataclass
class Bucket:
    """Images with these durations of decoding, and the queue of their events."""

    seconds: Sequence[float]
    make: Callable[..., Any]

    def __post_init__(self) -> None:
        self.store, self.index, self.images = FakeStore(), FakeIndex(), SlowImages()
        self.handler = self.make(Indexer(self.store, self.index, self.images))
        self.waiting = [f"{number}.png" for number in range(len(self.seconds))]
        for key, each in zip(self.waiting, self.seconds, strict=True):
            self.store.put(key, picture(f"{key} slow {each}"))

    def invoke(self, invocation: Invocation) -> None:
        """One attempt at every waiting message."""
        self.images.invocation = invocation
        bodies = [{"bucket": BUCKET, "keys": [key]} for key in self.waiting]
        answer = self.handler(in_queue(*bodies), invocation.context)
        failed = [int(each["itemIdentifier"]) for each in answer["batchItemFailures"]]
        self.waiting = [self.waiting[number] for number in failed]

    def statuses(self) -> dict[str, Status]:
        return {key: status for status in Status for key in self.index.keys(status)}


@pytest.fixture
def make(logger, metrics) -> Callable[[Indexer], Any]:
    return lambda indexer: make_handler(indexer, BUCKET, logger, BatchReport(logger, metrics))


def test_what_is_embedded_is_written_before_a_slow_image(make):
    bucket = Bucket([0.1] * 4 + [7.6] + [0.1] * 4 + [20], make)
    with pytest.raises(Killed):
        bucket.invoke(Invocation(killed_at=13))
    assert set(bucket.statuses()) >= {f"{number}.png" for number in range(4)}
    assert len(bucket.statuses()) == 4


def test_an_image_is_rejected_for_its_own_time_and_not_for_that_of_others(make):
    bucket = Bucket([7.5] * 9 + [20], make)
    bucket.invoke(Invocation())
    assert 5 <= len(bucket.statuses()) < 10
    assert bucket.waiting
    while bucket.waiting:
        bucket.invoke(Invocation())
    statuses = bucket.statuses()
    assert statuses.pop("9.png") is Status.REJECTED
    assert set(statuses.values()) == {Status.INDEXED}


DURATIONS = st.one_of(
    st.floats(0, 1), st.floats(0, 30), st.sampled_from([LIMIT, 7.5, 60.0, TIMEOUT - WRITE_SECONDS])
)


@settings(max_examples=100, derandomize=True, deadline=None)
@given(seconds=st.lists(DURATIONS, min_size=1, max_size=10), timeout=st.sampled_from([30, 60, 300]))
def test_every_invocation_ends_in_time_and_makes_progress(seconds, timeout):
    bucket = Bucket(seconds, quiet_handler)
    while bucket.waiting:
        before = len(bucket.waiting)
        bucket.invoke(Invocation(timeout))
        assert len(bucket.waiting) < before
    expected = [Status.REJECTED if each > LIMIT else Status.INDEXED for each in seconds]
    assert bucket.statuses() == {f"{n}.png": each for n, each in enumerate(expected)}


def quiet_handler(indexer: Indexer) -> Any:
    report = SimpleNamespace(write=lambda *_: None)
    logger = SimpleNamespace(append_keys=lambda **_: None)
    return make_handler(indexer, BUCKET, logger, report)  # type: ignore[arg-type]


def test_a_deadline_ends_with_its_block():
    clock = [0.0]
    with time_limit(lambda: 40 - clock[0]):
        with share_of_time(1 / 4):
            assert current_time_left()() == 10
            clock[0] = 8
            assert current_time_left()() == 2
        assert current_time_left()() == 32
    with share_of_time(1 / 2):
        assert current_time_left()() == math.inf


SMALL = make_flat_png(20, 20, 3)
SLOW = make_flat_png(9_000, 9_000, 3)
WANTED = Preprocessing(8, "pad", "bicubic", (0,) * 3, (1,) * 3, (0,) * 3)


class DecodedImages(FakeImages):
    """Decodes files in real decoder processes."""

    def __init__(self, decoders: DecoderPool) -> None:
        super().__init__(decoder=decoders.decoder)
        self._decoders = decoders

    def encode_images(
        self, images: Sequence[bytes], details: DetailOptions | None = None
    ) -> list[EncodedImage | UnreadableImage]:
        return [
            each
            if isinstance(each, UnreadableImage)
            else EncodedImage(vector(str(each.width)), each.width, each.height, each.content_type)
            for each in self._decoders.decode_in_order(images, WANTED)
        ]


@pytest.fixture
def images(request) -> Any:
    if "decoders" not in request.fixturenames:
        return SlowImages()
    return DecodedImages(request.getfixturevalue("decoders"))


@pytest.fixture(scope="module")
def decoders():
    with closing(DecoderPool(processes=1)) as pool:
        yield pool


def short(seconds: float) -> Any:
    """An invocation that always has this time left."""
    return SimpleNamespace(
        aws_request_id="r", get_remaining_time_in_millis=lambda: round(seconds * 1000)
    )


@pytest.mark.slow
def test_a_real_slow_file_returns_to_the_queue_and_is_indexed_with_more_time(
    decoders, indexer, store, index, make
):
    store.put("slow.png", SLOW)
    handler, event = make(indexer), in_queue({"bucket": BUCKET, "keys": ["slow.png"]})
    assert handler(event, short(WRITE_SECONDS + 0.05))["batchItemFailures"]
    assert index.keys() == []
    assert handler(event, CONTEXT) == {"batchItemFailures": []}
    assert index.keys() == ["slow.png"]


@pytest.mark.slow
def test_a_search_by_a_real_slow_file_is_422(decoders, dependencies, logger, metrics):
    handler = make_search_handler(dependencies, RequestLog(logger, metrics))

    def ask(data: bytes, context: Any) -> Response:
        return parse_response(handler(http("POST", "/v1/search", data, "image/png"), context))

    late = ask(SLOW, short(0.1))
    assert (late.status, late.error) == (422, "decoder_timeout")
    assert ask(SLOW, CONTEXT).status == 200


def test_the_images_of_a_batch_have_one_time_budget(dependencies, logger, metrics, images, index):
    images.invocation = invocation = Invocation(28)
    handler = make_search_handler(dependencies, RequestLog(logger, metrics))
    files = [picture(f"a{number} slow 6") for number in range(5)]
    searches = [{"query": {"image": b64encode(data).decode()}} for data in files]
    event = http("POST", "/v1/search/batch", {"searches": searches})
    answer = parse_response(handler(event, invocation.context))
    assert answer.status == 200
    codes = [each.get("error", {}).get("code") for each in answer.json["results"]]
    assert codes == [None] * 2 + ["decoder_timeout"] * 3
    assert invocation.now == 14
