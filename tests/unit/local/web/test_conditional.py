"""Conditional and range requests follow RFC 9110, as werkzeug reads it."""

import gzip
import json
import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st
from werkzeug.datastructures import ETags
from werkzeug.http import (
    is_resource_modified,
    parse_etags,
    parse_range_header,
)

from functions.search.http.etags import matches
from functions.search.search_page import CONTENT_TYPES
from imagesearch.adapters.filesystem.image_store import FolderStore
from local.web.compression import MINIMUM_BYTES, accepts_gzip
from local.web.conditional import Validators
from local.web.files import Files
from local.web.gateway import Gateway
from tests.support.paths import REPOSITORY

Call = Callable[..., Any]
MODIFIED = datetime(2026, 3, 1, 12, 0, 0, 999_999, tzinfo=UTC)
FILE = Validators('"a"', MODIFIED)
DATES = [
    *(format_datetime(MODIFIED + timedelta(seconds=s), usegmt=True) for s in (-1, 0, 1)),
    "Sunday, 01-Mar-26 12:00:00 GMT",
    "Sun Mar  1 12:00:00 2026",
    *("yesterday", "", "Sun, 99 Foo 2026 12:00:00 GMT"),
]
TAGS = st.lists(st.sampled_from(['"a"', 'W/"a"', '"b"', '"x,y"', '""', "*"]), min_size=1).map(
    ", ".join
)
SIZE = 10
RANGES = st.one_of(
    st.from_regex(r"bytes=[0-9]{0,2}-[0-9]{0,2}", fullmatch=True),
    st.sampled_from(["bytes=0-0", "bytes=-0", "bytes= 1-2 ", "BYTES=1-", "lines=1-2", "bytes=x"]),
)
sometimes = st.none() | st.sampled_from(DATES)


def environ(**headers: str | None) -> dict[str, Any]:
    given = {f"HTTP_{name.upper()}": value for name, value in headers.items() if value is not None}
    return {"REQUEST_METHOD": "GET", **given}


@settings(max_examples=200, derandomize=True, deadline=None)
@given(tags=st.none() | TAGS, date=sometimes)
@example(tags="*", date=DATES[0])
def test_a_304_is_sent_where_the_reference_sends_it(tags: str | None, date: str | None) -> None:
    request = environ(if_none_match=tags, if_modified_since=date)
    if tags and "*" in tags:
        expected = tags == "*"  # a list with an asterisk is invalid
        if not expected:
            return
    else:
        expected = not is_resource_modified(request, etag='"a"', last_modified=MODIFIED)
    assert FILE.not_modified(request) is expected


@settings(max_examples=200, derandomize=True, deadline=None)
@given(tags=TAGS.filter(lambda tags: "*" not in tags))
def test_tags_match_as_in_the_reference(tags: str) -> None:
    known: ETags = parse_etags(tags)
    assert matches(tags, '"a"') is known.contains_weak("a")
    assert matches(tags, '"a"', weak=False) is known.contains("a")
    assert matches(tags, 'W/"a"') is known.contains_weak("a")
    assert not matches(tags, 'W/"a"', weak=False)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(header=RANGES, size=st.sampled_from([0, 1, SIZE]))
def test_a_range_is_that_of_the_reference(header: str, size: int) -> None:
    found = FILE.requested_range(environ(range=header), size)
    parsed = parse_range_header(header.strip())
    if suffix := re.fullmatch(r"bytes=-(\d+)", header):
        # RFC 9110, 14.1.2: werkzeug rejects a length of 0, and lengths above that of the file.
        assert found == range(max(0, size - int(suffix[1])), size)
        return
    if parsed is None or parsed.units != "bytes":
        assert found is None
        return
    expected = parsed.range_for_length(size)
    if expected is None:
        assert found is not None
        assert not found
    else:
        assert found == range(*expected)


@pytest.mark.parametrize(
    ("condition", "partial"),
    [
        ('"a"', True),
        (DATES[1], True),
        ('"b"', False),
        ('W/"a"', False),
        (DATES[0], False),
        (DATES[2], False),
        ("nonsense", False),
    ],
)
def test_a_range_of_another_version_is_the_whole_file(condition: str, partial: bool) -> None:
    found = FILE.requested_range(environ(range="bytes=2-", if_range=condition), SIZE)
    assert found == (range(2, SIZE) if partial else None)


def test_a_file_is_read_in_parts(folder: Path, store: FolderStore, call: Call) -> None:
    files = Files(store)
    (folder / "a.jpg").write_bytes(content := b"\xff\xd8\xff" + os.urandom(200_000))
    whole = call(files, "/files/a.jpg")
    assert (whole.headers["Accept-Ranges"], whole.body) == ("bytes", content)
    part = call(files, "/files/a.jpg", HTTP_RANGE="bytes=5-150004")
    assert (part.status[:3], part.body) == ("206", content[5:150_005])
    assert part.headers["Content-Range"] == f"bytes 5-150004/{len(content)}"
    assert part.headers["Content-Length"] == "150000"
    assert part.headers["ETag"] == whole.headers["ETag"]
    last = call(files, "/files/a.jpg", HTTP_RANGE="bytes=-3")
    assert last.body == content[-3:]
    beyond = call(files, "/files/a.jpg", HTTP_RANGE="bytes=999999-")
    assert (beyond.status[:3], beyond.headers["Content-Range"]) == (
        "416",
        f"bytes */{len(content)}",
    )
    several = call(files, "/files/a.jpg", HTTP_RANGE="bytes=0-1,5-6")
    assert (several.status[:3], several.body) == ("200", content)
    head = call(files, "/files/a.jpg", "HEAD", HTTP_RANGE="bytes=0-1")
    assert (head.status[:3], head.headers["Content-Length"]) == ("200", str(len(content)))
    since = whole.headers["Last-Modified"]
    assert call(files, "/files/a.jpg", HTTP_IF_MODIFIED_SINCE=since).status[:3] == "304"
    assert call(files, "/files/a.jpg", HTTP_IF_MATCH='"other"').status[:3] == "412"


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("br, gzip;q=0.5", True),
        ("*", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0, *", False),
        ("gzip;q=x", False),
    ],
)
def test_gzip_is_sent_only_if_it_is_accepted(header: str, accepted: bool, call: Call) -> None:
    assert accepts_gzip(header) is accepted
    body = json.dumps({"hits": ["a"] * 1_000})
    response = {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": body}
    sent = call(Gateway(lambda *_: response), "/v1/search", HTTP_ACCEPT_ENCODING=header)
    assert "Accept-Encoding" in sent.headers["Vary"]
    assert (sent.headers.get("Content-Encoding") == "gzip") is accepted
    assert (gzip.decompress(sent.body) if accepted else sent.body).decode() == body
    assert sent.headers["Content-Length"] == str(len(sent.body))


@pytest.mark.parametrize("content_type", ["text/html", *CONTENT_TYPES.values()])
def test_the_files_of_the_page_are_compressed(content_type: str, call: Call) -> None:
    response = {"statusCode": 200, "headers": {"Content-Type": content_type}, "body": "a" * 9_999}
    sent = call(Gateway(lambda *_: response), "/assets/x", HTTP_ACCEPT_ENCODING="gzip")
    assert gzip.decompress(sent.body) == b"a" * 9_999


def test_short_responses_and_images_are_not_compressed(call: Call) -> None:
    for content_type, body in (("application/json", "{}"), ("image/webp", "x" * 9_999)):
        response = {"statusCode": 200, "headers": {"Content-Type": content_type}, "body": body}
        sent = call(Gateway(lambda *_, r=response: r), "/x", HTTP_ACCEPT_ENCODING="gzip")
        assert "Content-Encoding" not in sent.headers


def test_api_gateway_compresses_from_the_same_size() -> None:
    text = (REPOSITORY / "template.yaml").read_text()
    line = next(each for each in text.splitlines() if "MinimumCompressionSize:" in each)
    assert yaml.safe_load(line.strip())["MinimumCompressionSize"] == MINIMUM_BYTES
