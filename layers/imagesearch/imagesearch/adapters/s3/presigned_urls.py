"""Presigned GET URLs, computed here: botocore takes 1 ms for each, and a page has 200 of them.

https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-query-string-auth.html
"""

import hashlib
import hmac
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

# How long a URL is valid, unless the credentials that signed it expire sooner.
URL_SECONDS = 900
_ALGORITHM = "AWS4-HMAC-SHA256"


class PresignedUrls:
    """Signs URLs of objects with the credentials of the client, the same URLs as botocore.

    Without `credentials`, botocore signs, or raises NoCredentialsError.
    """

    def __init__(
        self,
        client: Any,
        credentials: Any = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._clock = clock
        self._addresses: dict[str, str] = {}

    def url(self, bucket: str, key: str) -> str:
        """Raises ClientError or BotoCoreError."""
        if self._credentials is None:
            return self._signed_by_botocore(bucket, key)
        path = f"/{quote(key, safe='/~')}"
        if bucket not in self._addresses:
            # Depends on region, endpoint and addressing style, which botocore knows.
            first = self._signed_by_botocore(bucket, key).partition("?")[0]
            self._addresses[bucket] = first.removesuffix(path)
        return self._signed(self._addresses[bucket] + path)

    def _signed_by_botocore(self, bucket: str, key: str) -> str:
        url: str = self._client.generate_presigned_url(
            "get_object", Params={"Bucket": bucket, "Key": key}, ExpiresIn=URL_SECONDS
        )
        return url

    def _signed(self, address: str) -> str:
        credentials = self._credentials.get_frozen_credentials()
        time = f"{self._clock():%Y%m%dT%H%M%SZ}"
        scope = (time[:8], self._client.meta.region_name, "s3", "aws4_request")
        parameters = {
            "X-Amz-Algorithm": _ALGORITHM,
            "X-Amz-Credential": "/".join((credentials.access_key, *scope)),
            "X-Amz-Date": time,
            "X-Amz-Expires": str(URL_SECONDS),
            "X-Amz-SignedHeaders": "host",
        }
        if credentials.token:
            parameters["X-Amz-Security-Token"] = credentials.token
        query = "&".join(
            f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(parameters.items())
        )
        parts = urlsplit(address)
        request = f"GET\n{parts.path}\n{query}\nhost:{parts.netloc}\n\nhost\nUNSIGNED-PAYLOAD"
        digest = hashlib.sha256(request.encode()).hexdigest()
        text = "\n".join((_ALGORITHM, time, "/".join(scope), digest))
        key = f"AWS4{credentials.secret_key}".encode()
        for part in scope:
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        return f"{address}?{query}&X-Amz-Signature={signature}"
