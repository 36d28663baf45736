"""Where models that were pulled are kept: one folder for each user, whatever is indexed."""

import sys
from collections.abc import Mapping
from pathlib import Path

CACHE = "IMAGESEARCH_CACHE"


def models_cache(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The folder `models` of IMAGESEARCH_CACHE, or of the platform's place for caches."""
    if given := environ.get(CACHE):
        return Path(given).expanduser().absolute() / "models"
    return _caches(environ, platform) / "imagesearch" / "models"


def _caches(environ: Mapping[str, str], platform: str) -> Path:
    """XDG: a path that is not absolute is to be ignored."""
    if (given := Path(environ.get("XDG_CACHE_HOME", ""))).is_absolute():
        return given
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"])
    return Path.home() / ".cache"
