"""Secrets of a local server, in files that only their owner can read."""

import os
import secrets
from pathlib import Path

_BYTES = 32


def secret_of(path: Path) -> bytes:
    """The 32 bytes in a file, which is created once, complete or not at all. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}-{secrets.token_hex(8)}")
    try:
        with open(part, "xb", opener=_private) as new:
            new.write(secrets.token_bytes(_BYTES))
        if path.exists() and path.stat().st_size != _BYTES:  # after a crash or a full disk
            part.replace(path)
        elif not path.exists():
            _link(part, path)
        return path.read_bytes()
    finally:
        part.unlink(missing_ok=True)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _link(part: Path, path: Path) -> None:
    """Unlike a rename, this keeps the secret of another process."""
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        part.replace(path)
