"""The shapes of label sets."""

from typing import Annotated

from pydantic import Field

from ..responses import Answer, Cursor

Name = Annotated[str, Field(description="What `labelset` of a classification names.")]
Count = Annotated[
    int, Field(ge=0, description="Its labels; those just written are counted a second later.")
]


class LabelSet(Answer):
    name: Name
    count: Count


class LabelSetList(Answer):
    """In the order of their names."""

    labelsets: Annotated[list[LabelSet], Field(description="All that there are.")]


class LabelSetLabels(Answer):
    """Labels in the order of their letters."""

    name: Name
    count: Count
    labels: Annotated[list[str], Field(description="As many as the page holds.")]
    cursor: Cursor


class Written(Answer):
    name: Name
    written: Annotated[int, Field(ge=0, description="How many labels of the request it has now.")]


class Deleted(Answer):
    name: Name
    deleted: Annotated[bool, Field(description="Always true: a set that is not there is an error.")]
