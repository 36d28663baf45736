"""Tells on the terminal which images the indexing function rejects while the server runs."""

import json
from collections.abc import Callable
from typing import Any

from imagesearch.domain import Document, ImageRef, Status
from imagesearch.ports import VectorIndex
from local.report import printable
from local.worker import Handler


def reporting(handler: Handler, index: VectorIndex, say: Callable[[str], None]) -> Handler:
    """The same handler; after each batch the index is asked what became of its images.

    The function's own log, made for CloudWatch, leaves keys out.
    """
    said: dict[str, str] = {}

    def handle(event: dict[str, Any], context: Any) -> dict[str, Any]:
        answer = handler(event, context)
        for document in _rejected(event, index):
            if said.get(document.id) != document.etag:
                said[document.id] = document.etag
                say(f"rejected {printable(document.ref.key)}: {document.reason}")
        return answer

    return handle


def _rejected(event: dict[str, Any], index: VectorIndex) -> list[Document]:
    stored = index.get([_ref(record["body"]).id for record in event["Records"]])
    documents = (entry.document for entry in stored.values())
    return [found for found in documents if found and found.status is Status.REJECTED]


def _ref(body: str) -> ImageRef:
    detail = json.loads(body)["detail"]
    return ImageRef(detail["bucket"]["name"], detail["object"]["key"])
