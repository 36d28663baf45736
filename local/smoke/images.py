"""The images of the smoke test: sample photos under keys with unusual characters.

`goldfish.heic` is the sample photo goldfish.webp (public domain, by Necrophorus) at 256 pixels.
"""

import io
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PREFIX = "imagesearch-smoke-"
_HEIC = Path(__file__).parent / "goldfish.heic"
_COPY_PIXELS = 240


@dataclass(frozen=True, slots=True)
class SmokeImage:
    """An object to upload."""

    key: str
    data: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class SmokeImages:
    """The objects of one run, all below `collection`, a folder that no other run uses.

    `copy` is a smaller copy of `panda`; `after` replaces `before`; `broken` is a JPEG file of which
    the end is missing; `form` is for an upload through the API, which chooses its key.
    """

    collection: str
    panda: SmokeImage
    copy: SmokeImage
    tower: SmokeImage
    goldfish: SmokeImage
    before: SmokeImage
    after: SmokeImage
    broken: SmokeImage
    form: SmokeImage

    @property
    def intact(self) -> tuple[SmokeImage, ...]:
        """The images that are indexed."""
        return self.panda, self.copy, self.tower, self.goldfish, self.before

    @property
    def texts(self) -> dict[str, tuple[SmokeImage, ...]]:
        """Texts, each with the images that match it."""
        return {
            "a giant panda": (self.panda, self.copy),
            "the Eiffel Tower": (self.tower,),
            "a goldfish": (self.goldfish,),
        }

    @property
    def prefix(self) -> str:
        return f"{self.collection}/"


def smoke_images(collection: str | None = None) -> SmokeImages:
    """The images below a collection; by default one with a random name."""
    folder = collection or f"{PREFIX}{secrets.token_hex(6)}"

    def image(name: str, data: bytes, content_type: str = "image/jpeg") -> SmokeImage:
        return SmokeImage(f"{folder}/{name}", data, content_type)

    panda = _jpeg("animals/giant-panda")
    return SmokeImages(
        folder,
        panda=image("a b+c%41é.jpg", panda),
        copy=image("copy.webp", _smaller_copy(panda), "image/webp"),
        tower=image("%2F 100%/tower & more?#=;.jpg", _jpeg("landmarks/eiffel-tower")),
        goldfish=image("日本 🐠.heic", _HEIC.read_bytes(), "image/heic"),
        before=image("overwritten.jpg", _jpeg("objects/claw-hammer")),
        after=image("overwritten.jpg", _jpeg("animals/owl")),
        broken=image("broken.jpg", panda[: len(panda) // 20]),
        form=image("chair.jpg", _jpeg("objects/white-chair")),
    )


def _jpeg(name: str) -> bytes:
    from PIL import Image

    from imagesearch.calibration.calibration_set import DATA

    with Image.open(DATA / f"{name}.webp") as photo:
        return _saved(photo.convert("RGB"), "JPEG")


def _smaller_copy(data: bytes) -> bytes:
    from PIL import Image

    with Image.open(io.BytesIO(data)) as photo:
        photo.thumbnail((_COPY_PIXELS, _COPY_PIXELS))
        return _saved(photo, "WEBP")


def _saved(photo: Any, format: str) -> bytes:
    file = io.BytesIO()
    photo.save(file, format, quality=85)
    return file.getvalue()
