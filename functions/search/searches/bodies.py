"""What can be posted to search."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from imagesearch.queries import ImageQuery, Query, Search, StoredQuery, TextQuery
from imagesearch.searching import MAX_LIMIT, MAX_TEXT

from ..bodies import Base64, Body, bounded
from ..parameters import LIMIT, MAX_COLLECTION, MAX_CURSOR


class PostedQuery(BaseModel):
    """Exactly one of these."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"minProperties": 1, "maxProperties": 1}
    )

    text: Annotated[
        str | None, Field(min_length=1, max_length=MAX_TEXT, description="What to find, in words.")
    ] = None
    image: Base64 | None = None
    id: Annotated[str | None, Field(description="An indexed image, itself left out.")] = None

    @model_validator(mode="after")
    def _is_one(self) -> "PostedQuery":
        if sum(value is not None for value in (self.text, self.image, self.id)) != 1:
            raise PydanticCustomError("one_of", "Input should have exactly one of text, image, id")
        return self

    def query(self) -> Query:
        if self.text is not None:
            return TextQuery(self.text)
        if self.image is not None:
            return ImageQuery(bounded(self.image))
        return StoredQuery(self.id or "")


class PostedSearch(BaseModel):
    """A search; fields that are left out are as they are described."""

    model_config = ConfigDict(extra="forbid")

    query: PostedQuery
    limit: Annotated[
        int, Field(strict=True, ge=1, le=MAX_LIMIT, description="How many on this page.")
    ] = LIMIT
    cursor: Annotated[
        str | None, Field(max_length=MAX_CURSOR, description="The cursor of the page before.")
    ] = None
    collection: Annotated[
        str | None,
        Field(max_length=MAX_COLLECTION, description="Only images of this collection."),
    ] = None

    def search(self) -> Search:
        """Raises PayloadTooLarge."""
        return Search(self.query.query(), self.limit, self.cursor, self.collection or None)


SEARCH = Body(
    PostedSearch,
    {"text": {"query": {"text": "a dog on a beach"}, "limit": 10}},
    or_image=True,
)
