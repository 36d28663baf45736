"""A form is read part by part, however its bytes come, and a bad one is refused."""

import io

import httpx
import pytest

from local.web import uploads
from local.web.uploads import BadForm, MultipartForm


class Drops(io.RawIOBase):
    """Gives at most so many bytes at a time."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = io.BytesIO(data), size

    def read(self, most: int = -1) -> bytes:
        return self._data.read(min(self._size, most))


def posted(fields: dict[str, str], file: bytes) -> tuple[bytes, str]:
    request = httpx.Request("POST", "http://x/", data=fields, files={"file": ("a.jpg", file)})
    return request.read(), request.headers["content-type"]


@pytest.mark.parametrize("size", [1, 2, 7, 100, 1 << 20])
@pytest.mark.parametrize("file", [b"", b"x", b"\r\n--", b"\r\n" * 50, bytes(range(256)) * 300])
def test_fields_and_file_come_out_as_they_went_in(size, file):
    fields = {"key": "2024/ü ☃.jpg", "empty": "", "lines": "a\r\nb"}
    body, content_type = posted(fields, file)
    form = MultipartForm(Drops(body, size), content_type)
    assert form.fields == fields
    assert b"".join(form.file()) == file


def test_a_large_file_is_not_held_in_memory(monkeypatch):
    file = b"x" * (8 * uploads.BLOCK)
    body, content_type = posted({"key": "a"}, file)
    blocks = list(MultipartForm(io.BytesIO(body), content_type).file())
    assert max(map(len, blocks)) <= 2 * uploads.BLOCK
    assert b"".join(blocks) == file


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/mixed; boundary=x"]
)
def test_another_kind_of_body_is_refused(content_type):
    with pytest.raises(BadForm):
        MultipartForm(io.BytesIO(b"--x\r\n"), content_type)


@pytest.mark.parametrize(
    "body",
    [b"", b"garbage", b"--x", b"--x--\r\n", b"--x\r\n\r\nno name\r\n--x--\r\n",
     b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n--x--\r\n',
     b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\na\r\n'
     b'--x\r\nContent-Disposition: form-data; name="key"\r\n\r\nb\r\n--x--\r\n',
     b'--x\r\nContent-Disposition: form-data; name="k"\r\n\r\n' + b"a" * 40_000 + b"\r\n--x--",
     b"--x\r\nA: " + b"a" * 10_000],
)  # fmt: skip
def test_what_is_no_form_with_a_file_is_refused(body):
    with pytest.raises(BadForm):
        MultipartForm(io.BytesIO(body), "multipart/form-data; boundary=x")


def test_a_file_that_is_cut_short_is_refused():
    body, content_type = posted({"key": "a"}, b"data")
    form = MultipartForm(io.BytesIO(body[:-20]), content_type)
    with pytest.raises(BadForm, match="cut short"):
        list(form.file())
