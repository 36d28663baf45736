"""How the coefficients of an opened JPEG are stored: in one scan, or in several."""

from __future__ import annotations

from typing import Any

from PIL import Image


def has_several_scans(image: Image.Image, data: bytes) -> bool:
    """Whether libjpeg must hold all coefficients before it can give the first row.

    That is so of progressive files, and of others whose first scan lacks a component.
    """
    if image.info.get("progressive"):
        return True
    file: Any = getattr(image, "fp", None)
    layers = len(getattr(image, "layer", []))
    if not layers or file is None:
        return False
    # The file was read up to the end of the first scan's header (ITU-T T.81, B.2.3).
    end = file.tell()
    for components in range(1, layers):
        length = 6 + 2 * components
        start = end - length
        head = b"\xff\xda" + length.to_bytes(2, "big") + bytes([components])
        if start >= 2 and data[start - 2 : start + 3] == head:
            return True
    return False
