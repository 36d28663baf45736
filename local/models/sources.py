"""Sources of models: the catalog, and the server, bucket or folder that replaces the publishers.

Hashes are those of the catalog, wherever the files come from.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.downloads.http_download import digest
from imagesearch.downloads.model_source import ModelSource
from imagesearch.embedding import model_catalog
from imagesearch.embedding.model_catalog import CatalogEntry, Pin

CATALOG, SOURCE = "IMAGESEARCH_CATALOG", "IMAGESEARCH_MODEL_SOURCE"


def catalog_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of IMAGESEARCH_CATALOG, or the catalog of the package.

    Raises ConfigurationError.
    """
    if not (given := environ.get(CATALOG)):
        return model_catalog.CATALOG
    folder = Path(given).expanduser()
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder", f"set {CATALOG} to one, or unset it")
    return folder


def catalog_entries(environ: Mapping[str, str] = os.environ) -> list[CatalogEntry]:
    """All models of the catalog, by name."""
    return model_catalog.catalog_entries(catalog_folder(environ))


def catalog_entry(name: str, environ: Mapping[str, str] = os.environ) -> CatalogEntry:
    """The model with this name; raises NotFound, which lists the catalog."""
    return model_catalog.catalog_entry(name, catalog_folder(environ))


def model_source(source: str | None = None) -> ModelSource | Path:
    """A URL, or a folder in which files are found under NAME/FILE; empty for the publishers.

    By default that of IMAGESEARCH_MODEL_SOURCE. Raises ConfigurationError.
    """
    source = os.environ.get(SOURCE, "") if source is None else source
    if not source or "://" in source:
        return ModelSource(source)
    return Path(source).expanduser()


def copy_file(folder: Path, name: str, pin: Pin, to: Path) -> None:
    """Copy a file of a source folder. Raises NotFound, ConfigurationError."""
    path = folder / name
    if not path.is_file():
        raise NotFound(f"{path} does not exist", f"check --source or {SOURCE}", "no_such_file")
    part = to.with_name(f"{to.name}.part")
    try:
        shutil.copyfile(path, part)
    except OSError as error:
        raise ConfigurationError(f"cannot copy {path}: {error.strerror}") from error
    if (found := digest(part)) != pin.sha256:
        part.unlink()
        raise ConfigurationError(
            f"{path} has the SHA-256 {found} instead of {pin.sha256}",
            "it is not used: the folder holds another file",
            "wrong_hash",
        )
    part.replace(to)
