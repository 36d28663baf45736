"""What is posted to begin an upload, or to have an image fetched."""

from typing import Annotated
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field

from imagesearch.domain.errors import InvalidQuery
from imagesearch.domain.media_types import EXTENSIONS_OF
from imagesearch.new_images import MAX_METADATA_BYTES, MAX_NAME_BYTES, NewImage

from ..requests import Body, ImageUrl

# Letters of other scripts have up to four bytes.
MAX_STEM = MAX_NAME_BYTES // 4
TYPES = ", ".join(EXTENSIONS_OF)


class PostedImage(BaseModel):
    """An image that is to be uploaded, or with `url` one that is fetched from there."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_NAME_BYTES,
            description="A file name; what keeps it from overwriting another is added. With `url`"
            " it may be left out.",
        ),
    ] = None
    content_type: Annotated[
        str | None, Field(description=f"One of {TYPES}; with `url` it is what the bytes tell.")
    ] = None
    url: ImageUrl | None = None
    collection: Annotated[str | None, Field(description="The folder that it goes to.")] = None
    metadata: Annotated[
        dict[str, str] | None,
        Field(
            description=f"Becomes x-amz-meta- headers: ASCII, up to {MAX_METADATA_BYTES:,} bytes."
        ),
    ] = None

    def new_image(self) -> NewImage:
        """Raises InvalidQuery where it is neither described nor somewhere to be fetched from."""
        if self.url is None:
            name = _given("name", self.name)
            type = _given("content_type", self.content_type)
            return NewImage(name, type, self.collection, self.metadata or {})
        if self.content_type is not None:
            raise InvalidQuery(
                "there is a content_type beside url",
                "leave it out: it is what the bytes tell",
                "invalid_content_type",
            )
        name = self.name or _last_part(self.url)
        return NewImage(name, "", self.collection, self.metadata or {})


def _given(field: str, value: str | None) -> str:
    if value is None:
        raise InvalidQuery(f"{field} is missing", "send it, or url", f"invalid_{field}")
    return value


def _last_part(url: str) -> str:
    """A name that says where it came from, whatever signs the address is made of."""
    last = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = "".join(letter for letter in last if letter.isalnum() or letter in "-_.")
    return plain.lstrip(".")[:MAX_STEM] or "image"


NEW_IMAGE = Body(
    PostedImage,
    {
        "photo": {"name": "beach.jpg", "content_type": "image/jpeg", "collection": "2024"},
        "url": {"url": "https://example.com/beach.jpg", "collection": "2024"},
    },
)
