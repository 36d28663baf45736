"""What can be posted to a check for duplicates."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.domain.queries import ImageQuery, StoredQuery
from imagesearch.duplicates.similarity import LEAST_CONFIDENCE, MOST_CONFIDENCE, THRESHOLD

from ..parameters import MAX_COLLECTION
from ..requests import EXAMPLE_IMAGE, Base64, Body, bounded


class PostedCheck(BaseModel):
    """A picture, and how sure a match must be."""

    model_config = ConfigDict(extra="forbid")

    image: Base64 | None = None
    id: Annotated[str | None, Field(description="An indexed image, itself left out.")] = None
    threshold: Annotated[
        float,
        Field(
            strict=True,
            ge=LEAST_CONFIDENCE,
            le=MOST_CONFIDENCE,
            allow_inf_nan=False,
            description="The least confidence of a match.",
        ),
    ] = THRESHOLD
    collection: Annotated[
        str | None,
        Field(max_length=MAX_COLLECTION, description="Only images of this collection."),
    ] = None

    @model_validator(mode="after")
    def _is_one_image(self) -> "PostedCheck":
        if (self.image is None) == (self.id is None):
            raise PydanticCustomError("one_of", "Input should have exactly one of image, id")
        return self

    def query(self) -> ImageQuery | StoredQuery:
        """Raises PayloadTooLarge."""
        return StoredQuery(self.id or "") if self.image is None else ImageQuery(bounded(self.image))


CHECK = Body(PostedCheck, {"image": {"image": EXAMPLE_IMAGE}}, or_image=True)
