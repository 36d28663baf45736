"""One file of a known model: here, as it is pinned, and rewritten where that makes it faster."""

import hashlib
from pathlib import Path

from imagesearch.embedding.manifest import FileEntry
from imagesearch.embedding.model_catalog import Pin
from imagesearch.embedding.signed_file import make_signed
from imagesearch.fetching.http_download import Downloader


def bring(pin: Pin, path: Path, downloader: Downloader) -> None:
    """Have the file at `path`; nothing is fetched where it is there already.

    Raises Unavailable, NotFound, ConfigurationError.
    """
    # Of an unpinned file, one from an earlier attempt may be of another revision.
    if pin.sha256 and path.exists() and digest(path) == pin.sha256:
        return
    path.unlink(missing_ok=True)
    downloader.download(pin, path)


def entry_of(path: Path, *, make_weights_signed: bool) -> FileEntry:
    """What the manifest says of the file; unsigned weights are made signed first, if so wanted."""
    sha256 = digest(path)
    if not (make_weights_signed and make_signed(path)):
        return FileEntry(sha256=sha256, bytes=path.stat().st_size)
    return FileEntry(sha256=digest(path), bytes=path.stat().st_size, rewritten_from=sha256)


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
