"""A model's files are what its manifest says, or the model is not loaded."""

from __future__ import annotations

import hashlib
from pathlib import Path

from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.manifest import Manifest


def verified(folder: Path, name: str, manifest: Manifest) -> Path:
    """The path of a file whose size and SHA-256 are the manifest's; raises ConfigurationError.

    Hashed, then loaded by path: the runtime reads it anew from the page cache, and no copy of
    the file's bytes lies beside the parsed graph.
    """
    path, entry = folder / name, manifest.files[name]
    try:
        size = path.stat().st_size
        if size != entry.bytes:
            raise _wrong(f"{path} has {size:,} bytes instead of {entry.bytes:,}")
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _wrong(f"{path} cannot be read: {error.strerror}") from error
    if digest != entry.sha256:
        raise _wrong(f"{path} has the SHA-256 {digest} instead of {entry.sha256}")
    return path


def _wrong(message: str) -> ConfigurationError:
    return ConfigurationError(
        message, "the model's file is damaged or another's: fetch the model again", "invalid_model"
    )
