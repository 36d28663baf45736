"""Decoder: images and sizes as displayed."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageOps, PngImagePlugin, TiffImagePlugin

from imagesearch.embedding.decoding.decoder import decode
from tests.support.images.heif_boxes import with_property

FORMATS = ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"]


def stored(saved, quadrants, format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if format == "WEBP" else {"quality": 100}
    return saved(quadrants, format, exif=exif, **options)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_every_orientation_is_applied(format, orientation, quadrants, saved, stretched, corners):
    exif = Image.Exif()
    exif[0x0112] = orientation
    shown = quadrants.copy()
    shown.getexif()[0x0112] = orientation
    upright = ImageOps.exif_transpose(shown)

    picture = decode(stored(saved, quadrants, format, orientation), stretched)

    assert (picture.width, picture.height) == upright.size
    wanted = corners(saved(upright, "PNG"))
    assert np.abs(np.subtract(corners(picture), wanted)).max() < 16


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("resize", ["crop", "pad"])
def test_rotation_and_resizing_commute(resize, orientation, quadrants, saved, stretched):
    noise = np.random.default_rng(0).integers(0, 255, (71, 90, 3), np.uint8)
    image = Image.fromarray(noise)
    wanted = replace(stretched, resize=resize)
    image.getexif()[0x0112] = orientation
    turned = decode(saved(image, "PNG", exif=image.getexif()), wanted)
    upright = decode(saved(ImageOps.exif_transpose(image), "PNG"), wanted)
    assert np.abs(turned.pixels - upright.pixels).max() <= 2


def test_a_rotated_heic_is_rotated_once(data, stretched, corners):
    picture = decode(data("quadrants-turned.heic"), stretched)
    assert (picture.width, picture.height) == (64, 96)
    wanted = [(0, 0, 255), (255, 0, 0), (255, 255, 255), (0, 255, 0)]
    assert np.abs(np.subtract(corners(picture), wanted)).max() < 16


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
def test_an_invalid_orientation_is_ignored(orientation, quadrants, saved, stretched):
    picture = decode(stored(saved, quadrants, "JPEG", orientation), stretched)
    assert (picture.width, picture.height) == quadrants.size


XMP = (
    b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    b'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
)


def with_xmp(saved, image, format, turn, tiff=(), **options):
    """The image with an orientation in XMP."""
    text = XMP % turn
    if format == "PNG":
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", text.decode())
        return saved(image, format, pnginfo=info, **options)
    if format == "TIFF":
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags.update(tiff)
        tags[700] = text
        tags.tagtype[700] = 1
        return saved(image, format, tiffinfo=tags, **options)
    return saved(image, format, xmp=text, **options)


@pytest.mark.parametrize("turn", range(2, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_xmp_orientation_is_ignored(format, turn, quadrants, saved, stretched, corners):
    options = {"lossless": True} if format == "WEBP" else {"quality": 100}
    file = with_xmp(saved, quadrants, format, turn, **options)
    assert b"tiff:Orientation" in file
    picture = decode(file, stretched)
    assert (picture.width, picture.height) == quadrants.size
    wanted = corners(saved(quadrants, "PNG"))
    assert np.abs(np.subtract(corners(picture), wanted)).max() < 16


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("format", FORMATS)
def test_exif_orientation_takes_precedence_over_xmp(
    format, turn, quadrants, saved, stretched, corners
):
    exif = Image.Exif()
    exif[0x0112] = turn
    options = {"lossless": True} if format == "WEBP" else {"quality": 100}
    if format != "TIFF":  # TIFF has its own orientation tag.
        options["exif"] = exif
    file = with_xmp(saved, quadrants, format, 9 - turn, {274: turn}, **options)
    plain = stored(saved, quadrants, format, turn)
    one, other = decode(file, stretched), decode(plain, stretched)
    assert (one.width, one.height) == (other.width, other.height)
    assert np.abs(np.subtract(corners(one), corners(other))).max() < 16


@pytest.mark.parametrize("turn", [1, 2, 3, 4, 5, 7, 8])
def test_a_heic_is_rotated_by_its_boxes_and_not_by_exif(turn, data, stretched):
    file = data("quadrants-turned.heic")
    plain, changed = decode(file, stretched), decode(with_exif(file, 6, turn), stretched)
    assert (changed.width, changed.height) == (plain.width, plain.height)
    assert np.array_equal(changed.pixels, plain.pixels)


def with_exif(file, before, turn):
    """The file with another orientation in its EXIF, in either byte order."""
    for order, head in ((">", b"\x01\x12\0\x03\0\0\0\x01"), ("<", b"\x12\x01\x03\0\x01\0\0\0")):
        tag = head + struct.pack(f"{order}H", before)
        if tag in file:
            return file.replace(tag, head + struct.pack(f"{order}H", turn))
    raise AssertionError("no orientation")


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("mirror", [None, 0, 1])
@pytest.mark.parametrize("format", ["AVIF", "HEIC"])
def test_rotation_and_mirror_boxes_are_applied(
    format, mirror, quarters, quadrants, saved, data, stretched, corners
):
    """`irot` turns counterclockwise, then `imir` mirrors: 0 top and bottom, 1 left and right."""
    file = data("quadrants.heic") if format == "HEIC" else saved(quadrants, "AVIF", quality=100)
    shown = quadrants.rotate(90 * quarters, expand=True)
    file = with_property(file, b"irot", bytes([quarters]))
    if mirror is not None:
        file = with_property(file, b"imir", bytes([mirror]))
        flip = Image.Transpose.FLIP_LEFT_RIGHT if mirror else Image.Transpose.FLIP_TOP_BOTTOM
        shown = shown.transpose(flip)
    picture = decode(file, stretched)
    assert (picture.width, picture.height) == shown.size
    assert np.abs(np.subtract(corners(picture), corners(saved(shown, "PNG")))).max() < 20


@pytest.mark.parametrize("turn", range(1, 9))
def test_an_avif_without_boxes_is_not_rotated_by_exif(turn, quadrants, saved, stretched, corners):
    exif = Image.Exif()
    exif[0x0128] = 2  # A short value, replaced by the orientation.
    bare = saved(quadrants, "AVIF", quality=100, exif=exif)
    tag = b"\x01\x28\0\x03\0\0\0\x01\0\x02"
    assert tag in bare
    bare = bare.replace(tag, b"\x01\x12\0\x03\0\0\0\x01" + struct.pack(">H", turn))
    assert b"irot" not in bare
    assert decode(bare, stretched).width == quadrants.width
    wanted = corners(saved(quadrants, "PNG"))
    assert np.abs(np.subtract(corners(bare), wanted)).max() < 16


@pytest.mark.parametrize("turn", [3, 6])
def test_a_rotated_page_of_several_is_rotated_once(turn, quadrants, saved, stretched, corners):
    exif = Image.Exif()
    exif[0x0112] = turn
    blank = Image.new("RGB", quadrants.size, "white")
    file = saved(blank, "TIFF", save_all=True, append_images=[quadrants.copy()], exif=exif)
    plain = decode(saved(quadrants, "TIFF", exif=exif), stretched)
    found = decode(file, stretched)
    assert (found.width, found.height) == (plain.width, plain.height)
    assert np.abs(np.subtract(corners(found), corners(plain))).max() < 3
