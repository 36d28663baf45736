"""Sources of models: the catalog, and the server or folder that replaces the publishers.

Hashes are those of the catalog, wherever the files come from.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

from imagesearch.domain.errors import ConfigurationError, NotFound
from imagesearch.downloads.http_download import digest
from imagesearch.embedding import model_catalog
from imagesearch.embedding.model_catalog import CatalogEntry, Pin

CATALOG, SOURCE = "IMAGESEARCH_CATALOG", "IMAGESEARCH_MODEL_SOURCE"


def catalog_folder(environ: Mapping[str, str] = os.environ) -> Path:
    """The folder of IMAGESEARCH_CATALOG, or the catalog of the package."""
    folder = environ.get(CATALOG)
    return Path(folder).expanduser() if folder else model_catalog.CATALOG


def catalog_entries(environ: Mapping[str, str] = os.environ) -> list[CatalogEntry]:
    """All models of the catalog, by name, with the URLs of IMAGESEARCH_MODEL_SOURCE."""
    entries = model_catalog.catalog_entries(catalog_folder(environ))
    return [from_source(each, environ) for each in entries]


def catalog_entry(name: str, environ: Mapping[str, str] = os.environ) -> CatalogEntry:
    """The model with this name; raises NotFound, which lists the catalog."""
    return from_source(model_catalog.catalog_entry(name, catalog_folder(environ)), environ)


def source_folder(environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of IMAGESEARCH_MODEL_SOURCE, in which files are found under NAME/FILE."""
    source = environ.get(SOURCE, "")
    return Path(source).expanduser() if source and not _is_url(source) else None


def from_source(model: CatalogEntry, environ: Mapping[str, str] = os.environ) -> CatalogEntry:
    """The entry with URLs below the base URL of IMAGESEARCH_MODEL_SOURCE, if that is a URL."""
    base = environ.get(SOURCE, "").rstrip("/")
    if not _is_url(base):
        return model
    pins = {
        name: pin.model_copy(update={"url": f"{base}/{quote(model.name)}/{quote(name)}"})
        for name, pin in model.pins.items()
    }
    return model.model_copy(update={"pins": pins})


def copy_file(folder: Path, name: str, pin: Pin, to: Path) -> None:
    """Copy a file of a source folder. Raises NotFound, ConfigurationError."""
    path = folder / name
    if not path.is_file():
        raise NotFound(f"{path} does not exist", f"check {SOURCE}", "no_such_file")
    part = to.with_name(f"{to.name}.part")
    try:
        shutil.copyfile(path, part)
    except OSError as error:
        raise ConfigurationError(f"cannot copy {path}: {error.strerror}") from error
    if pin.sha256 not in (None, found := digest(part)):
        part.unlink()
        raise ConfigurationError(
            f"{path} has the SHA-256 {found} instead of {pin.sha256}",
            "it is not used: the folder holds another file",
            "wrong_hash",
        )
    part.replace(to)


def _is_url(source: str) -> bool:
    return source.startswith(("http://", "https://"))
