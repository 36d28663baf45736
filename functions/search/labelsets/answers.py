"""The shapes of label sets."""

from typing import Annotated

from pydantic import Field

from ..answers import Answer, Cursor

Name = Annotated[str, Field(description="What `labelset` of a classification names.")]
Count = Annotated[
    int, Field(ge=0, description="Its labels; those just written are counted a second later.")
]


class LabelSet(Answer):
    name: Name
    count: Count


class LabelSetList(Answer):
    """In the order of their names."""

    labelsets: list[LabelSet]


class LabelSetLabels(Answer):
    """Labels in the order of their letters."""

    name: Name
    count: Count
    labels: list[str]
    cursor: Cursor


class Written(Answer):
    name: Name
    written: Annotated[int, Field(ge=0, description="How many labels of the request it has now.")]


class Deleted(Answer):
    name: Name
    deleted: bool
