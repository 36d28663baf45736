"""`s3://bucket/prefix` as it is typed."""

import re
from dataclasses import dataclass

from local.errors import WrongUsage

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class S3Location:
    """A bucket, and what the keys begin with; an empty prefix is all of the bucket."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}"

    def key(self, path: str) -> str:
        """The key of a file at this path, below the prefix as below a folder."""
        return "/".join(filter(None, (self.prefix.rstrip("/"), path)))


def s3_location(text: str) -> S3Location:
    """Raises WrongUsage."""
    scheme, _, rest = text.partition("://")
    bucket, _, prefix = rest.partition("/")
    if scheme != "s3" or not _BUCKET.fullmatch(bucket):
        raise WrongUsage(f"{text!r} is no bucket: say s3://bucket or s3://bucket/prefix")
    return S3Location(bucket, prefix)
