"""Claims about previews of indexed images."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

from functions.search.handler import make_handler
from functions.search.request_log import RequestLog
from tests.support.fakes import picture, ref
from tests.support.handlers import CONTEXT, http


@pytest.fixture
def get(dependencies, logger, metrics) -> Callable[..., tuple[int, dict[str, str], bytes]]:
    handler = make_handler(dependencies, RequestLog(logger, metrics))

    def get(path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        answer: dict[str, Any] = handler(http("GET", path) | {"headers": headers}, CONTEXT)
        sent = {name: values[0] for name, values in answer["multiValueHeaders"].items()}
        body = answer["body"] or ""
        is_file = answer.get("isBase64Encoded")
        return answer["statusCode"], sent, base64.b64decode(body) if is_file else body.encode()

    return get


def test_a_preview_is_a_webp_file_that_is_sent_again_only_if_the_image_has_changed(get, fill):
    fill({"scan.tiff": picture("a scan")})
    path = f"/v1/images/{ref('scan.tiff').id}/preview"
    status, headers, body = get(path)
    assert (status, headers["Content-Type"]) == (200, "image/webp")
    assert headers["Cache-Control"] == "private, no-cache"
    assert body == b"1600 " + picture("a scan")
    known = {"if-none-match": headers["ETag"]}
    assert get(path, **known)[::2] == (304, b"")
    fill({"scan.tiff": picture("another scan")})
    assert get(path, **known)[::2] == (200, b"1600 " + picture("another scan"))


def test_an_image_that_is_gone_or_rejected_has_no_preview(get, fill, store):
    fill({"gone.png": picture("gone"), "damaged.png": picture("broken")})
    store.delete("gone.png")
    for key in ("gone.png", "damaged.png", "unknown.png"):
        status, _, body = get(f"/v1/images/{ref(key).id}/preview")
        assert (status, b'"not_found"' in body) == (404, True)
