"""A mirror of model files: `BASE/NAME/FILE`, where BASE is an https URL or an S3 prefix."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from imagesearch.domain.errors import ConfigurationError
from imagesearch.downloads.http_download import LOOPBACK
from imagesearch.embedding.model_catalog import CatalogEntry

_HOSTS = "|".join(re.escape(host) for host in sorted(LOOPBACK))
_BASE = re.compile(
    rf"https://[^/\s?#@]+(/[^\s?#]*)?|http://({_HOSTS})(:\d+)?(/[^\s?#]*)?|s3://[a-z0-9.-]+(/\S*)?"
)


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The source of model files; without `base`, the URLs of the catalog.

    A mirror has the unchanged files of the publishers: their hashes are those of the catalog.
    """

    base: str = ""

    def __post_init__(self) -> None:
        if self.base and not (_BASE.fullmatch(self.base) and _has_valid_port(self.base)):
            raise ConfigurationError(
                f"{self.base!r} is not a source of models",
                "use https://host/path without a user name, or s3://bucket/prefix",
                "invalid_source",
            )

    def entry(self, model: CatalogEntry) -> CatalogEntry:
        """The catalog entry with the URLs of this source."""
        if not self.base:
            return model
        folder = f"{self.base.rstrip('/')}/{model.name}"
        pins = {
            name: pin.model_copy(update={"url": f"{folder}/{name}"})
            for name, pin in model.pins.items()
        }
        return model.model_copy(update={"pins": pins})


def _has_valid_port(url: str) -> bool:
    try:
        return urlsplit(url).port != 0
    except ValueError:
        return False


PUBLISHERS = ModelSource()
