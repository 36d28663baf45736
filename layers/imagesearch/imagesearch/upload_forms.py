"""What it takes to upload an image straight to the bucket: a multipart POST with signed fields."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

UPLOAD_SECONDS = 900
# As large as a file may be that is indexed.
UPLOAD_BYTES = 64 * 2**20


@dataclass(frozen=True, slots=True)
class UploadForm:
    """POST `fields`, then the bytes as the field `file`, to `url` before `expires_at`."""

    url: str
    fields: Mapping[str, str]
    expires_at: datetime
