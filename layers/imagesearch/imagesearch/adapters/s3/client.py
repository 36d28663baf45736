"""Settings that every S3 client of the adapters shares, and the HTTP status of an error."""

from botocore.config import Config
from botocore.exceptions import ClientError

# How long a presigned URL is valid.
URL_SECONDS = 900
MAX_CONNECTIONS = 16


def client_config() -> Config:
    """Signature version 4 and the regional endpoint: presigned URLs are valid in every region."""
    return Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
        max_pool_connections=MAX_CONNECTIONS,
        connect_timeout=3,
        read_timeout=20,
        retries={"mode": "standard", "max_attempts": 4},
    )


def status_of(error: Exception) -> int | None:
    if not isinstance(error, ClientError):
        return None
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    return int(status) if status else None
