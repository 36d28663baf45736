"""The API keys of this server, and the cookies by which a page may show images."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Self

from local.errors import WrongUsage

KEY, KEYS = "IMAGESEARCH_API_KEY", "IMAGESEARCH_API_KEYS"
DEFAULT_ID = "default"


class ApiKeys:
    """Keys by their ids, as API Gateway has them. Without any, everybody may call."""

    def __init__(self, keys: Mapping[str, str]) -> None:
        self._keys = dict(keys)
        self._cookies = {
            id: hashlib.sha256(f"files {id} {key}".encode()).hexdigest() for id, key in keys.items()
        }

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Self:
        """One key, and more as `id=key,other=key`; raises WrongUsage."""
        keys = {DEFAULT_ID: environ[KEY]} if environ.get(KEY) else {}
        for part in filter(None, environ.get(KEYS, "").split(",")):
            id, _, key = part.partition("=")
            if not (id and key) or id in keys:
                raise WrongUsage(f"{KEYS} is a list such as shop=key1,office=key2, each id once")
            keys[id] = key
        return cls(keys)

    def __bool__(self) -> bool:
        return bool(self._keys)

    def holder(self, key: str) -> str | None:
        """The id of a key; None for one that is none."""
        return _found(self._keys, key)

    def cookie(self, id: str) -> str:
        return self._cookies[id]

    def holder_of_cookie(self, cookie: str) -> str | None:
        return _found(self._cookies, cookie)


def _found(secrets: Mapping[str, str], given: str) -> str | None:
    """Whose secret it is; how long that takes does not tell how much of it was right."""
    found = None
    for id, secret in secrets.items():
        if hmac.compare_digest(secret.encode(), given.encode()):
            found = id
    return found
