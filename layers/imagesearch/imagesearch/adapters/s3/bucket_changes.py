"""Changes of an S3 bucket: presigned uploads, writes and deletions."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from imagesearch.adapters.s3.client import client_config
from imagesearch.domain.errors import Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import UPLOAD_BYTES, UPLOAD_SECONDS, UploadForm


class S3Changes:
    """Implements BucketChanges."""

    def __init__(self, client: Any = None) -> None:
        self._s3 = client or boto3.client("s3", config=client_config())

    def close(self) -> None:
        """Close the connections; the next request opens new ones."""
        self._s3.close()

    def upload_form(
        self, ref: ImageRef, content_type: str, metadata: Mapping[str, str], now: datetime
    ) -> UploadForm:
        """A presigned POST: a presigned PUT cannot limit the size.

        https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-HTTPPOSTConstructPolicy.html
        """
        fields = {"Content-Type": content_type}
        fields |= {f"x-amz-meta-{name}": value for name, value in metadata.items()}
        conditions: list[Any] = [{name: value} for name, value in fields.items()]
        conditions.append(["content-length-range", 1, UPLOAD_BYTES])
        try:
            post = self._s3.generate_presigned_post(
                ref.bucket, ref.key, fields, conditions, ExpiresIn=UPLOAD_SECONDS
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("sign an upload to", ref, error) from error
        return UploadForm(post["url"], post["fields"], now + timedelta(seconds=UPLOAD_SECONDS))

    def put(
        self, ref: ImageRef, data: bytes, content_type: str, metadata: Mapping[str, str]
    ) -> None:
        try:
            self._s3.put_object(
                Bucket=ref.bucket,
                Key=ref.key,
                Body=data,
                ContentType=content_type,
                Metadata=dict(metadata),
            )
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("upload to", ref, error) from error

    def delete(self, ref: ImageRef) -> None:
        """In a versioned bucket this adds a delete marker."""
        try:
            self._s3.delete_object(Bucket=ref.bucket, Key=ref.key)
        except (ClientError, BotoCoreError) as error:
            raise _unavailable("delete", ref, error) from error


def _unavailable(what: str, ref: ImageRef, error: Exception) -> Unavailable:
    return Unavailable(
        f"cannot {what} s3://{ref.bucket}/{ref.key}: {error}",
        "check that the function's role may do this in the bucket",
    )
