"""Detection of S3 objects that cannot be read: archived, or encrypted with an unavailable key.

Retrying does not help, so that such an object is distinguished from an outage or a missing
permission, which are Unavailable. An unknown 403 or 400 stays Unavailable.
"""

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

# https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-class-intro.html
# GLACIER_IR (Instant Retrieval) is read like any other.
ARCHIVE_CLASSES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
KMS_REMEDIES = {
    "KMS.DisabledException": "enable it",
    "KMS.NotFoundException": "store the object again with another key",
    "KMS.InvalidKeyUsageException": "store the object again with another key",
    "KMS.KMSInvalidStateException": "enable it, or cancel its deletion",
    "KMS.InvalidStateException": "enable it, or cancel its deletion",
    "KMS.AccessDeniedException": "allow kms:Decrypt on it to the function's role",
}
CUSTOMER_KEY = (
    "encrypted with a customer-provided key (SSE-C):"
    " store it again with SSE-S3 or SSE-KMS to have it indexed"
)


def archive_reason(head: Mapping[str, Any]) -> str:
    """The reason why the object of a HeadObject response cannot be read; "" where it can.

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
        return f"archived in {where}: its restore is in progress, it is processed when that ends"
    return f"archived in {where}: restore it first"


def unreadable_reason(error: Exception) -> str:
    """The reason why an object cannot be read, by the error of GetObject; "" if unknown."""
    code, message = _code_and_message(error)
    if code == "InvalidObjectState":
        return "archived: restore it first"
    if code == "InvalidRequest" and "server side encryption" in message.lower():
        return CUSTOMER_KEY
    if code in KMS_REMEDIES:
        return _key_reason(code, KMS_REMEDIES[code])
    if code == "AccessDenied" and "kms:" in message.lower():
        return _key_denied(code)
    return ""


def key_reason(error: Exception, head: Mapping[str, Any]) -> str:
    """The reason of an AccessDenied without details, by the object's HeadObject response.

    HeadObject needs the same permission on the object as GetObject, and none on its KMS key. Older
    responses of S3 do not name the key: https://github.com/boto/boto3/issues/2952
    """
    code, _ = _code_and_message(error)
    if code == "AccessDenied" and head.get("ServerSideEncryption", "").startswith("aws:kms"):
        return _key_denied(code)
    return ""


def _key_denied(code: str) -> str:
    return _key_reason(code, KMS_REMEDIES["KMS.AccessDeniedException"])


def _key_reason(code: str, remedy: str) -> str:
    return f"its KMS key cannot be used ({code}): {remedy}, then start a backfill"


def _code_and_message(error: Exception) -> tuple[str, str]:
    if not isinstance(error, ClientError):
        return "", ""
    details = error.response.get("Error", {})
    return str(details.get("Code", "")), str(details.get("Message", ""))
