"""From a file's bytes to the pixels of the one frame that stands for it, within limits."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from typing import NamedTuple, TypeAlias

from PIL import Image

from imagesearch.embedding.decoding.exif import forget_xmp
from imagesearch.embedding.decoding.frames import seek_shown, several_frames, shows_anything
from imagesearch.embedding.decoding.jpeg import decoded_rows, is_cut_short
from imagesearch.embedding.decoding.preprocessing import Preprocessing, Size
from imagesearch.embedding.decoding_cost import check_size, expected_memory, may_hold
from imagesearch.embedding.opening import draft, opened
from imagesearch.embedding.picture import DecodingLimits

JPEG = b"\xff\xd8\xff"
BeforePixels: TypeAlias = Callable[[int], None]


class Loaded(NamedTuple):
    """A frame with its pixels, of which a JPEG's may be a draft.

    `size` is the declared one as stored; `part` is as much of it as `image` shows, less where the
    file is `truncated`.
    """

    image: Image.Image
    size: Size
    part: Size
    truncated: bool = False


class Loader:
    """Loads one file's frames; `before_pixels` hears what each takes before it is decoded."""

    def __init__(
        self,
        data: bytes,
        wanted: Preprocessing,
        limits: DecodingLimits,
        before_pixels: BeforePixels,
    ) -> None:
        # A download that broke off may have its full length, and zeros in it.
        self._data = data.rstrip(b"\0") if data.startswith(JPEG) else data
        self._wanted = wanted
        self._limits = limits
        self._before_pixels = before_pixels

    def load(self) -> Loaded:
        """The first frame that shows anything, or the first; raises whatever a parser raises."""
        image = opened(self._data, self._limits)
        # Asked before pixels are loaded: a GIF loses them when it looks for its second frame.
        several = several_frames(image)
        try:
            size = self._load(image)
        except OSError:
            if not is_cut_short(image):
                raise
            return self._load_partly()
        if several and not shows_anything(image):
            shown = seek_shown(image, lambda: self._load(image))
            if shown is None:
                image.close()
                image = opened(self._data, self._limits)
                size = self._load(image)
            else:
                size = shown
        return Loaded(image, size, size)

    def _load(self, image: Image.Image) -> Size:
        """Load the frame in view; its size as stored."""
        header = self._prepare(image)
        image.load()
        # Only a JPEG can be a draft; others may turn out to have another size when decoded.
        return header if image.format in ("JPEG", "MPO") else image.size

    def _load_partly(self) -> Loaded:
        def prepared() -> Image.Image:
            image = opened(self._data, self._limits)
            self._prepare(image)
            return image

        first = opened(self._data, self._limits)
        size = first.size
        image, rows = decoded_rows(prepared, self._content(first))
        part = size[0], max(1, round(size[1] * rows / image.height))
        there = image.crop((0, 0, image.width, rows))
        there.format = image.format
        return Loaded(there, size, part, truncated=True)

    def _prepare(self, image: Image.Image) -> Size:
        """Everything that can be said before pixels are decoded; the size as stored."""
        forget_xmp(image)
        header, content = image.size, self._content(image)
        if not may_hold(header, image, content):
            check_size(header, self._limits)
        draft(image, self._wanted)
        check_size(image.size, self._limits)
        self._before_pixels(expected_memory(image, header, content, self._limits))
        return header

    def _content(self, image: Image.Image) -> bytes:
        """The file that an opened picture is decoded from: of camera RAW, that of its preview."""
        file = getattr(image, "fp", None)
        return file.getvalue() if isinstance(file, BytesIO) else self._data
