"""What can be posted to classify."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.classification.classifier import (
    MAX_LABELS,
    MAX_NEIGHBOURS,
    Asked,
    LabelSource,
    Vote,
)
from imagesearch.classification.prompts import MAX_LABEL
from imagesearch.domain.queries import ImageQuery, StoredQuery, UrlQuery

from ..parameters import LIMIT, MAX_COLLECTION
from ..requests import EXAMPLE_IMAGE, Base64, Body, ImageUrl, bounded

NEIGHBOURS = 20
Label = Annotated[str, StringConstraints(min_length=1, max_length=MAX_LABEL)]


class PostedClassify(BaseModel):
    """An image, and what to compare it with: labels, or by default the labelled images."""

    model_config = ConfigDict(extra="forbid")

    image: Base64 | None = None
    id: Annotated[str | None, Field(description="An indexed image instead of `image`.")] = None
    url: ImageUrl | None = None
    labels: Annotated[
        list[Label] | None,
        Field(min_length=1, max_length=MAX_LABELS, description="In words, as in a caption."),
    ] = None
    labelset: Annotated[
        str | None, Field(description="The name of a stored set of labels instead of `labels`.")
    ] = None
    limit: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_LABELS, description="How many labels to answer."),
    ] = LIMIT
    neighbours: Annotated[
        int,
        Field(strict=True, ge=1, le=MAX_NEIGHBOURS, description="How many images vote."),
    ] = NEIGHBOURS
    source: Annotated[
        LabelSource, Field(description="Where the label of an image that votes is written.")
    ] = LabelSource.METADATA
    collection: Annotated[
        str | None,
        Field(max_length=MAX_COLLECTION, description="Only images of this collection vote."),
    ] = None

    @model_validator(mode="after")
    def _is_one_image(self) -> "PostedClassify":
        if sum(value is not None for value in (self.image, self.id, self.url)) != 1:
            raise PydanticCustomError("one_of", "Input should have exactly one of image, id, url")
        return self

    def query(self) -> Asked:
        """Raises PayloadTooLarge."""
        if self.image is not None:
            return ImageQuery(bounded(self.image))
        return StoredQuery(self.id) if self.id is not None else UrlQuery(self.url or "")

    def vote(self) -> Vote:
        return Vote(self.neighbours, self.source, self.collection or None)


CLASSIFY = Body(
    PostedClassify,
    {
        "labels": {"image": EXAMPLE_IMAGE, "labels": ["a red square", "a cat"]},
    },
    or_image=True,
)
