"""File changes in the words of S3: the event that EventBridge puts on the indexing queue."""

import json

from imagesearch.domain.images import ImageRef


def object_event(ref: ImageRef) -> str:
    """The body of a queue message that says "look at this key", whatever happened to it.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    """
    return json.dumps(
        {
            "version": "0",
            "source": "aws.s3",
            "detail-type": "Object Created",
            "detail": {"bucket": {"name": ref.bucket}, "object": {"key": ref.key}},
        }
    )


def image_of(body: str) -> ImageRef:
    """The image that such a body speaks of."""
    detail = json.loads(body)["detail"]
    return ImageRef(detail["bucket"]["name"], detail["object"]["key"])
