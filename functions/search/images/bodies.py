"""What is posted to begin an upload."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from imagesearch.image_types import EXTENSIONS_OF
from imagesearch.new_images import MAX_METADATA_BYTES, MAX_NAME_BYTES, NewImage

from ..bodies import Body

TYPES = ", ".join(EXTENSIONS_OF)


class PostedImage(BaseModel):
    """An image that is to be uploaded."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_NAME_BYTES,
            description="A file name; what keeps it from overwriting another is added.",
        ),
    ]
    content_type: Annotated[str, Field(description=f"One of {TYPES}.")]
    collection: Annotated[str | None, Field(description="The folder that it goes to.")] = None
    metadata: Annotated[
        dict[str, str] | None,
        Field(
            description=f"Becomes x-amz-meta- headers: ASCII, up to {MAX_METADATA_BYTES:,} bytes."
        ),
    ] = None

    def new_image(self) -> NewImage:
        return NewImage(self.name, self.content_type, self.collection, self.metadata or {})


NEW_IMAGE = Body(
    PostedImage,
    {"photo": {"name": "beach.jpg", "content_type": "image/jpeg", "collection": "2024"}},
)
