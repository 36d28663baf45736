"""Between a picture as it is stored and as it is displayed (Exif orientations 1 to 8)."""

from __future__ import annotations

from PIL import Image

from imagesearch.embedding.decoding.preprocessing import Box, Size

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (5, 6, 7, 8)
_MIRRORED_X = (2, 3, 7, 8)
_MIRRORED_Y = (3, 4, 6, 7)


def turned_size(size: Size, orientation: int) -> Size:
    """Width and height after turning, or before: it is its own inverse."""
    return (size[1], size[0]) if orientation in _SIDEWAYS else size


def stored_box(box: Box, stored: Size, orientation: int) -> Box:
    """Where a box of the displayed picture lies in the stored one of size `stored`."""
    left, top, right, bottom = box
    if orientation in _SIDEWAYS:
        left, top, right, bottom = top, left, bottom, right
    if orientation in _MIRRORED_X:
        left, right = stored[0] - right, stored[0] - left
    if orientation in _MIRRORED_Y:
        top, bottom = stored[1] - bottom, stored[1] - top
    return left, top, right, bottom


def turned(image: Image.Image, orientation: int) -> Image.Image:
    """The picture as displayed."""
    turn = TURNS.get(orientation)
    return image if turn is None else image.transpose(turn)
