"""What can be posted to a label set."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from imagesearch.classification.prompts import checked_labels

from ..classifying.bodies import Label
from ..requests import Body

# With three prompts a label this takes CLIP some seconds, where API Gateway waits for 29.
MAX_WRITTEN = 300


class PostedLabels(BaseModel):
    model_config = ConfigDict(extra="forbid")

    labels: Annotated[
        list[Label],
        Field(min_length=1, max_length=MAX_WRITTEN, description="In words, as in a caption."),
    ]

    def checked(self) -> list[str]:
        """Raises InvalidQuery."""
        return checked_labels(self.labels, MAX_WRITTEN)


LABELS = Body(PostedLabels, {"labels": {"labels": ["a red fox", "an arctic fox", "a wolf"]}})
