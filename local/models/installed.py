"""Installed models: their folders by name, in the cache of a user and in a data directory.

Downloaded models are shared by all folders: they are installed in one cache directory per user.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import imagesearch
from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.manifest import MANIFEST, Manifest, load_manifest, verify_file
from imagesearch.embedding.model_catalog import STARTER
from local.errors import UsageError
from local.models.sources import catalog_entries

CACHE = "IMAGESEARCH_CACHE"
_PACKAGE = Path(imagesearch.__file__).resolve().parent
# In a wheel the model is in the package, in the repository in a layer of its own.
_STARTER_FOLDERS = (
    _PACKAGE / "starter_model",
    _PACKAGE.parents[1] / "starter_model" / "starter_model",
)


def models_cache(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The folder `models` of IMAGESEARCH_CACHE, or of the platform's cache directory."""
    if path := environ.get(CACHE):
        return Path(path).expanduser().absolute() / "models"
    return _platform_cache(environ, platform) / "imagesearch" / "models"


def _platform_cache(environ: Mapping[str, str], platform: str) -> Path:
    """XDG requires that a relative path is ignored.

    https://specifications.freedesktop.org/basedir-spec/latest/
    """
    if (path := Path(environ.get("XDG_CACHE_HOME", ""))).is_absolute():
        return path
    if platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if platform == "win32" and environ.get("LOCALAPPDATA"):
        return Path(environ["LOCALAPPDATA"])
    return Path.home() / ".cache"


def model_folder(name_or_path: str, data_dir: Path) -> Path:
    """The folder of an installed model or of a path. Raises UsageError."""
    installed = installed_models(data_dir)
    if name_or_path in installed:
        return installed[name_or_path]
    if holds_model(folder := Path(name_or_path).expanduser()):
        return folder.resolve()
    if name_or_path in (model.name for model in catalog_entries()):
        raise UsageError(
            f"{name_or_path} is not installed: run `imagesearch models pull {name_or_path}`"
        )
    raise UsageError(
        f"there is no model {name_or_path!r}: use one of {', '.join(installed) or 'none'},"
        " or the path of a folder with a manifest.json"
    )


def model_name(folder: Path, data_dir: Path) -> str:
    """The name of an installed model, else its path: valid in every working directory."""
    names = (name for name, known in installed_models(data_dir).items() if known == folder)
    return next(names, str(folder))


def installed_models(data_dir: Path, cache: Path | None = None) -> dict[str, Path]:
    """Folders by name: the starter model, then the data directory's `models`, then the cache."""
    folders = {STARTER: next(filter(holds_model, _STARTER_FOLDERS), _STARTER_FOLDERS[-1])}
    for parent in (data_dir.expanduser() / "models", cache or models_cache(os.environ)):
        # A leading dot marks a download under way, or a folder being replaced.
        for folder in sorted(parent.glob("[!.]*")):
            folders.setdefault(folder.name, folder.resolve())
    return {name: folder for name, folder in folders.items() if holds_model(folder)}


def holds_model(folder: Path) -> bool:
    """True for a folder with a manifest."""
    return (folder / MANIFEST).is_file()


def must_be_tested(name: str, folder: Path) -> bool:
    """True for a model that was never tested, or refused: one without a result of the self-test.

    A model folder whose manifest has a calibration needs none. Earlier releases did not test models
    of the catalog.
    """
    from imagesearch.embedding.self_test.run import recorded_result

    if recorded_result(folder):
        return False
    if is_of_catalog(name, folder):
        return True
    try:
        return load_manifest(folder).relevance is None
    except ConfigurationError:
        return False


def is_of_catalog(name: str, folder: Path) -> bool:
    """True for the folder in the cache of a model of the catalog."""
    cached = (models_cache(os.environ) / name).resolve()
    return folder == cached and any(entry.name == name for entry in catalog_entries())


def check_files(folder: Path) -> Manifest:
    """The manifest of a folder whose files match their hashes. Raises ConfigurationError."""
    manifest = load_manifest(folder)
    for name in manifest.files:
        verify_file(folder, name, manifest)
    return manifest
