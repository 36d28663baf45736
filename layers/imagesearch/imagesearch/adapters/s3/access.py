"""Objects that S3 holds and whose bytes it does not give: archived, or encrypted with other keys.

Neither waiting nor repeating changes that, so such an object is told apart from a service or a role
that is at fault, which is Unavailable. A 403 or 400 that is not known here stays Unavailable.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
# GLACIER_IR (Instant Retrieval) is read like any other.
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
KMS_TROUBLE = {
    "KMS.DisabledException": "enable it",
    "KMS.NotFoundException": "store the object again with another key",
    "KMS.InvalidKeyUsageException": "store the object again with another key",
    "KMS.KMSInvalidStateException": "enable it, or cancel its deletion",
    "KMS.InvalidStateException": "enable it, or cancel its deletion",
    "KMS.AccessDeniedException": "allow kms:Decrypt on it to the function's role",
}
CUSTOMER_KEY = (
    "encrypted with a key that its uploader keeps (SSE-C):"
    " store it again with SSE-S3 or SSE-KMS to have it indexed"
)


def archived(head: Mapping[str, Any]) -> str:
    """Why the object of a HeadObject answer cannot be read now; nothing where it can.

    A restored copy can be read until it expires:
    https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    """
    storage = head.get("StorageClass", "STANDARD")
    tier = head.get("ArchiveStatus")
    if storage not in ARCHIVE_CLASSES and not tier:
        return ""
    restore = head.get("Restore", "")
    if 'ongoing-request="false"' in restore:
        return ""
    where = f"{storage}, {tier}" if tier else storage
    if 'ongoing-request="true"' in restore:
        return f"archived in {where}: its restore is under way, it is looked at when that ends"
    return f"archived in {where}: restore it first"


def refusal(error: Exception) -> str:
    """Why S3 does not give an object's bytes, by the error of a GetObject; nothing if unknown."""
    code, message = _code_and_message(error)
    if code == "InvalidObjectState":
        return "archived: restore it first"
    if code == "InvalidRequest" and "server side encryption" in message.lower():
        return CUSTOMER_KEY
    if code in KMS_TROUBLE:
        return _key_trouble(code, KMS_TROUBLE[code])
    if code == "AccessDenied" and "kms:" in message.lower():
        return _key_denied(code)
    return ""


def refused_by_key(error: Exception, head: Mapping[str, Any]) -> str:
    """The same of an AccessDenied that names no cause, with the object's HeadObject answer.

    HeadObject needs the same permission on the object as GetObject and none on its key: what is
    seen and not read is refused for its key. Older answers of S3 do not say so:
    https://github.com/boto/boto3/issues/2952
    """
    code, _ = _code_and_message(error)
    if code == "AccessDenied" and head.get("ServerSideEncryption", "").startswith("aws:kms"):
        return _key_denied(code)
    return ""


def _key_denied(code: str) -> str:
    return _key_trouble(code, KMS_TROUBLE["KMS.AccessDeniedException"])


def _key_trouble(code: str, remedy: str) -> str:
    return f"its KMS key cannot be used ({code}): {remedy}, then start a backfill"


def _code_and_message(error: Exception) -> tuple[str, str]:
    if not isinstance(error, ClientError):
        return "", ""
    told = error.response.get("Error", {})
    return str(told.get("Code", "")), str(told.get("Message", ""))
