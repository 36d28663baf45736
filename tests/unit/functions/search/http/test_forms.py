"""Images in forms and as bytes of no declared type; forms of any shape are bounded."""

from contextlib import suppress

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.search.http.forms import MAX_CONTENT_TYPE, file_of_form
from functions.search.requests import MAX_RAW_IMAGE
from imagesearch.domain.errors import InvalidQuery
from tests.support.fakes import picture

CAT = picture("a cat")


def form(*files, **fields):
    """The body and the content type of a form, as httpx makes it."""
    request = httpx.Request("POST", "http://x", data=fields, files=list(files))
    return request.read(), request.headers["content-type"]


@pytest.mark.parametrize("path", ["/v1/search", "/v1/classify", "/v1/duplicates/check"])
def test_an_image_is_posted_as_bytes_or_in_a_form(ask, fill, path):
    fill({"tom.png": CAT})
    query = {"labels": "a cat"} if "classify" in path else {}
    answers = [
        ask("POST", path, CAT, "image/png", **query),
        ask("POST", path, CAT, "application/octet-stream", **query),
        ask("POST", path, *form(("file", ("photo.jpg", CAT, "image/jpeg"))), **query),
        ask("POST", path, *form(("file", ("photo", CAT))), **query),
    ]
    for answer in answers:
        assert answer.status == 200, answer.body
    assert {len(answer.json.get("hits", [1])) for answer in answers} == {1}


@pytest.mark.parametrize(
    "parts",
    [
        form(("file", ("a", CAT)), ("file", ("b", CAT))),
        form(("image", ("a", CAT))),
        form(("file", ("a", CAT)), limit="3"),
        (b"", "multipart/form-data"),
        (b"", "multipart/form-data; boundary=x"),
        (b"--x--\r\n", "multipart/form-data; boundary=x"),
        (form(("file", ("a", CAT)))[0][:-20], form(("file", ("a", CAT)))[1]),
        (b"x", "multipart/form-data; a=" + '"' + ";" * 200_000),
        (b"--x\r\nContent-Disposition: \xff\r\n\r\n", "multipart/form-data; boundary=x"),
    ],
    ids=[
        "two files",
        "other name",
        "more fields",
        "empty",
        "nothing",
        "no part",
        "cut",
        "options",
        "no UTF-8",
    ],
)
def test_another_form_is_rejected(ask, parts):
    answer = ask("POST", "/v1/search", *parts)
    assert (answer.status, answer.error) == (400, "invalid_form")
    assert "curl -F file=@" in answer.json["error"]["hint"]
    assert "Error(" not in answer.json["error"]["message"]


def test_octets_that_are_no_image_are_422(ask):
    assert ask("POST", "/v1/search", b"no image", "application/octet-stream").status == 422


def test_a_form_that_is_too_large_is_413(ask):
    parts = form(("file", ("a", bytes(MAX_RAW_IMAGE + 1))))
    assert ask("POST", "/v1/search", *parts).status == 413


@given(
    st.binary(max_size=300) | st.lists(st.sampled_from([b"--x", b"\r\n", b"--"])).map(b"".join),
    st.text(max_size=MAX_CONTENT_TYPE),
)
def test_any_body_is_a_file_or_invalid(body, options):
    for content_type in (f"multipart/form-data; boundary=x; {options}", f"multipart/{options}"):
        with suppress(InvalidQuery):
            assert file_of_form(body, content_type) in body
