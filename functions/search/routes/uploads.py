"""Routes that change the bucket: uploads and deletions of images."""

from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.request import Request
from pydantic import BaseModel, ConfigDict, Field

from imagesearch.domain.errors import InvalidQuery, NotAllowed
from imagesearch.domain.media_types import EXTENSIONS_OF
from imagesearch.uploads import (
    DELETIONS_HINT,
    MAX_METADATA_BYTES,
    MAX_NAME_BYTES,
    UPLOADS_HINT,
    CreatedUpload,
    NewImage,
    UploadService,
)

from ..http.base_path import public_url
from ..parameters import ImageId
from ..requests import ImageUrl, RequestBody, posted_json, require_json
from ..responses import Id, Key, Moment, ResponseModel, json_response
from ..routing import JSON_ERRORS, NOT_FOUND, Dependencies, Operation

# A character has up to four bytes in UTF-8.
MAX_STEM = MAX_NAME_BYTES // 4
TYPES = ", ".join(EXTENSIONS_OF)
UPLOAD = "Create an upload, or fetch an image from a URL"
UPLOAD_STEPS = """The image itself is uploaded directly to the bucket: POST the returned fields to
the returned URL, as a multipart form with the bytes as the last field, `file`. The image must have
the declared type and at most 64 MB. With `url`, the image is fetched and stored before the response
is sent, and the response has no `upload`. Afterwards `GET /v1/images/{id}` reports `pending`, then
`indexed` or `rejected`."""
UPLOAD_ERRORS = (*JSON_ERRORS, 422)
DELETE = "Delete an image"
DELETE_RULES = """Deletes the object in the bucket; its event removes the image from the index
shortly after. In a versioned bucket, older versions remain. On a local server, the file is moved
out of the folder."""


class PostedImage(BaseModel):
    """An image to upload or, with `url`, to fetch."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_NAME_BYTES,
            description="File name; a suffix makes it unique, so that no image is overwritten."
            " Optional with `url`.",
        ),
    ] = None
    content_type: Annotated[
        str | None,
        Field(
            description=f"Media type: one of {TYPES}. Not allowed with `url`: it is detected from"
            " the bytes."
        ),
    ] = None
    url: ImageUrl | None = None
    collection: Annotated[
        str | None, Field(description="Collection: the first folder of the new key.")
    ] = None
    metadata: Annotated[
        dict[str, str] | None,
        Field(
            description="User metadata, stored as x-amz-meta- headers: ASCII, up to"
            f" {MAX_METADATA_BYTES:,} bytes."
        ),
    ] = None

    def new_image(self) -> NewImage:
        """Raises InvalidQuery for a field that is missing or contradicts `url`."""
        if self.url is None:
            name = _required("name", self.name)
            type = _required("content_type", self.content_type)
            return NewImage(name, type, self.collection, self.metadata or {})
        if self.content_type is not None:
            raise InvalidQuery(
                "content_type is not allowed with url",
                "omit it: the type is detected from the bytes",
                "invalid_content_type",
            )
        name = self.name or _name_from_url(self.url)
        return NewImage(name, "", self.collection, self.metadata or {})


class UploadTo(ResponseModel):
    """A multipart form: POST these fields, followed by the bytes as the field `file`."""

    url: Annotated[
        str, Field(description="URL to POST the form to; may be relative to this server.")
    ]
    fields: Annotated[
        dict[str, str], Field(description="Form fields to send unchanged, before the file.")
    ]


class Upload(ResponseModel):
    """The new image. Its ID is valid in searches once it is indexed.

    An image fetched from `url` has only `id` and `key`.
    """

    id: Id
    key: Key
    upload: UploadTo | None = None
    expires_at: Annotated[Moment | None, Field(description="When the upload form expires.")] = None


class DeletedImage(ResponseModel):
    """The object is deleted; the index is updated shortly after."""

    id: Id
    key: Key


NEW_IMAGE = RequestBody(
    PostedImage,
    {
        "photo": {"name": "beach.jpg", "content_type": "image/jpeg", "collection": "2024"},
        "url": {"url": "https://example.com/beach.jpg", "collection": "2024"},
    },
)


class UploadRoutes:
    """Routes that raise the errors of their use case; `errors.py` maps them to responses."""

    def __init__(self, dependencies: Dependencies) -> None:
        self._dependencies = dependencies

    def operations(self) -> list[Operation]:
        return [
            Operation(
                "POST",
                "/v1/images",
                self.begin_upload,
                Upload,
                UPLOAD,
                UPLOAD_ERRORS,
                UPLOAD_STEPS,
                NEW_IMAGE,
                201,
            ),
            Operation(
                "DELETE",
                "/v1/images/<id>",
                self.delete,
                DeletedImage,
                DELETE,
                NOT_FOUND,
                DELETE_RULES,
                status=202,
            ),
        ]

    def begin_upload(self, request: Request) -> Response[Any]:
        event = request.resolved_event
        require_json(event.headers.get("content-type", ""))
        posted = posted_json(event, PostedImage)
        if posted.url is not None:
            ref = self._uploads.upload_from_url(posted.url, posted.new_image())
            return json_response(Upload(id=ref.id, key=ref.key), 201)
        created = self._uploads.create_upload(posted.new_image())
        return json_response(_upload(created), 201)

    def delete(self, id: ImageId) -> Response[Any]:
        deleted = self._uploads.delete(id)
        return json_response(DeletedImage(id=deleted.id, key=deleted.key), 202)

    @property
    def _uploads(self) -> UploadService:
        """Raises NotAllowed."""
        if self._dependencies.uploads is None:
            raise NotAllowed("the bucket is read-only", f"{UPLOADS_HINT}; {DELETIONS_HINT}")
        return self._dependencies.uploads


def _upload(created: CreatedUpload) -> Upload:
    form = created.form
    return Upload(
        id=created.ref.id,
        key=created.ref.key,
        upload=UploadTo(url=public_url(form.url), fields=dict(form.fields)),
        expires_at=form.expires_at,
    )


def _required(field: str, value: str | None) -> str:
    if value is None:
        raise InvalidQuery(f"{field} is missing", f"send {field}, or url", f"invalid_{field}")
    return value


def _name_from_url(url: str) -> str:
    """The last segment of the URL's path, without special characters, or "image"."""
    segment = unquote(urlsplit(url).path).rpartition("/")[2]
    plain = "".join(letter for letter in segment if letter.isalnum() or letter in "-_.")
    return plain.lstrip(".")[:MAX_STEM] or "image"
