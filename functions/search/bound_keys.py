"""API keys that are bound to collections: what their holders reach is made over these alone."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from imagesearch.scoping import Scope

from .routing import Parts


@dataclass(frozen=True)
class BoundKeys:
    """The scope of each bound key by the key's id; the holder of any other key sees everything."""

    scopes: Mapping[str, Scope]
    parts: Callable[[Scope], Parts]

    def scope_of(self, event: Mapping[str, Any]) -> Scope | None:
        """By the id of the key, which API Gateway has checked; the key itself is not looked at."""
        identity = (event.get("requestContext") or {}).get("identity") or {}
        return self.scopes.get(identity.get("apiKeyId") or "")
