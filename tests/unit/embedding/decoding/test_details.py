"""Image details: hash, miniature, thumbnail, camera and coordinates."""

from __future__ import annotations

import io
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps, TiffImagePlugin

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions, Details
from imagesearch.duplicates.miniatures import from_text
from imagesearch.embedding.decoding import details as details_module
from imagesearch.embedding.decoding.decoder import decode, preview
from imagesearch.embedding.decoding.perceptual_hash import perceptual_hash
from imagesearch.embedding.decoding.preprocessing import Picture, Preprocessing
from imagesearch.embedding.decoding.workers import protocol
from tests.support.paths import SAMPLES

MAKE, MODEL, EXIF, GPS, LENS, ORIENTATION = 0x010F, 0x0110, 0x8769, 0x8825, 0xA434, 0x0112
ALL = DetailOptions(thumbnail=True, gps=True)


@pytest.fixture
def details_of(stretched):
    return lambda data, wanted=ALL: decode(data, stretched, details=wanted).details


@pytest.fixture
def small(details_of):
    return lambda data: Image.open(io.BytesIO(details_of(data).thumbnail))


def with_exif(**tags) -> Image.Exif:
    exif = Image.Exif()
    for name, value in tags.items():
        exif[{"make": MAKE, "model": MODEL, "orientation": ORIENTATION}[name]] = value
    return exif


def placed(latitude, longitude, north="N", east="E") -> Image.Exif:
    exif = Image.Exif()
    exif[GPS] = {1: north, 2: latitude, 3: east, 4: longitude}
    return exif


def test_details_are_computed_only_on_request(quadrants, saved, stretched, details_of):
    data = saved(quadrants, "PNG")
    assert decode(data, stretched).details is None
    assert details_of(data, DetailOptions()).thumbnail is None
    assert details_of(data).thumbnail is not None


@pytest.mark.parametrize(
    ("size", "becomes"),
    [((1600, 900), (320, 180)), ((900, 1600), (180, 320)), ((320, 200), (320, 200)),
     ((100, 50), (100, 50)), ((5000, 2), (320, 1)), ((1, 1), (1, 1))],
)  # fmt: skip
@pytest.mark.parametrize("format", ["JPEG", "PNG"])
def test_a_thumbnail_keeps_the_aspect_ratio_and_is_never_larger(
    size, becomes, format, saved, small
):
    found = small(saved(Image.new("RGB", size, "red"), format))
    assert (found.format, found.size) == ("JPEG", becomes)


@pytest.mark.parametrize(
    ("size", "becomes"),
    [((1600, 900), (640, 360)), ((900, 1600), (360, 640)), ((500, 250), (500, 250)),
     ((399, 300), None)],
)  # fmt: skip
def test_an_image_that_is_large_enough_has_a_large_thumbnail(size, becomes, saved, details_of):
    large = details_of(saved(Image.new("RGB", size, "red"), "PNG")).large_thumbnail
    assert (Image.open(io.BytesIO(large)).size if large else None) == becomes


def test_hashes_do_not_depend_on_the_thumbnails(saved, quadrants, details_of):
    data = saved(quadrants.resize((1200, 800)), "PNG")
    with_thumbnails, without = details_of(data), details_of(data, DetailOptions())
    assert with_thumbnails.phash == without.phash
    assert with_thumbnails.miniature == without.miniature


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_a_preview_is_upright_and_not_larger_than_requested(format, saved, quadrants, small):
    data = saved(quadrants.resize((600, 400)), format, exif=with_exif(orientation=6))
    found = Image.open(io.BytesIO(preview(data, 300)))
    assert (found.format, found.size) == ("WEBP", (200, 300))
    shrunk = [
        np.asarray(each.resize((2, 2), Image.Resampling.BOX), int) for each in (found, small(data))
    ]
    assert np.abs(shrunk[0] - shrunk[1]).max() <= 8
    assert Image.open(io.BytesIO(preview(data, 1600))).size == (400, 600)
    with pytest.raises(UnreadableImage):
        preview(data[:200], 300)


@pytest.mark.slow
def test_a_decoder_process_makes_previews(pool, saved, quadrants):
    data = saved(quadrants, "PNG")
    assert pool.preview(data, 300) == preview(data, 300)
    with pytest.raises(UnreadableImage):
        pool.preview(b"no image", 300)


def test_the_thumbnail_size_does_not_depend_on_the_model_input(saved, quadrants, details_of):
    tiny = Preprocessing(8, "stretch", "bicubic", (0, 0, 0), (1, 1, 1), (0, 0, 0))
    data = saved(quadrants.resize((2400, 1600)), "JPEG")
    details = decode(data, tiny, details=ALL).details
    assert Image.open(io.BytesIO(details.thumbnail)).size == (320, 213)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_thumbnail_and_hash_follow_the_orientation(
    orientation, format, quadrants, saved, details_of, small
):
    large = quadrants.resize((960, 640), Image.Resampling.NEAREST)
    data = saved(large, format, exif=with_exif(orientation=orientation), quality=95)
    upright = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    found = small(data)
    assert found.size == upright.resize((320, 213) if orientation < 5 else (213, 320)).size
    for x, y in ((0.25, 0.25), (0.75, 0.25), (0.25, 0.75), (0.75, 0.75)):
        ours = found.convert("RGB").getpixel((int(x * found.width), int(y * found.height)))
        theirs = upright.getpixel((int(x * upright.width), int(y * upright.height)))
        assert ours == pytest.approx(theirs, abs=12)
    differing = int(details_of(data).phash, 16) ^ int(perceptual_hash(upright), 16)
    assert differing.bit_count() <= 6


def test_a_thumbnail_contains_no_metadata(quadrants, saved, small):
    exif = placed((48, 51, 24), (2, 21, 8))
    exif[MAKE] = "a maker"
    found = small(saved(quadrants, "JPEG", exif=exif, comment=b"a secret", icc_profile=b"p" * 200))
    assert not {"exif", "icc_profile", "xmp", "comment"} & set(found.info)
    assert dict(found.getexif()) == {}


def test_a_thumbnail_of_a_transparent_image_is_composited_over_white(saved, small):
    found = small(saved(Image.new("RGBA", (400, 400), (255, 0, 0, 0)), "PNG"))
    assert found.convert("RGB").getpixel((100, 100)) == (255, 255, 255)


@pytest.mark.parametrize(
    ("make", "model", "camera"),
    [("FUJIFILM", "X100", "FUJIFILM X100"), ("Canon", "Canon EOS 5D", "Canon EOS 5D"),
     ("NIKON CORPORATION", "NIKON D750", "NIKON D750"),
     ("OLYMPUS IMAGING CORP.", "SP800UZ", "OLYMPUS SP800UZ"), ("Corporation", "X", "X"),
     ("EASTMAN KODAK COMPANY", "KODAK DX4530", "KODAK DX4530"), ("", "X100", "X100"),
     ("Apple ", " iPhone 15\0", "Apple iPhone 15"), ("Ricoh", "", "Ricoh"),
     ("a\x07b\nc", "d\te", "a b c d e")],
)  # fmt: skip
def test_camera_names_are_normalized(make, model, camera, quadrants, saved, details_of):
    data = saved(quadrants, "JPEG", exif=with_exif(make=make, model=model))
    assert details_of(data).exif == {"camera": camera}


def test_a_lens_is_recorded_and_names_are_truncated(quadrants, saved, details_of):
    exif = with_exif(model="x" * 5_000)
    exif[EXIF] = {LENS: "XF23mmF2"}
    found = details_of(saved(quadrants, "JPEG", exif=exif)).exif
    assert found == {"camera": "x" * 120, "lens": "XF23mmF2"}


def test_a_file_without_exif_has_no_camera_details(quadrants, saved, details_of):
    details = details_of(saved(quadrants, "JPEG"))
    assert (details.exif, details.latitude, details.longitude) == ({}, None, None)


def test_coordinates_are_read_only_on_request(quadrants, saved, details_of):
    data = saved(quadrants, "JPEG", exif=placed((33, 51, 24), (151, 12, 36), "S"))
    details = details_of(data)
    assert (details.latitude, details.longitude) == (-33.856667, 151.21)
    hidden = details_of(data, DetailOptions())
    assert (hidden.latitude, hidden.longitude) == (None, None)


@pytest.mark.parametrize(
    "exif",
    [placed((91, 0, 0), (2, 0, 0)), placed((48, 0, 0), (181, 0, 0)),
     placed((48, 0, 0), (2, 0, 0), "X"), placed((48, 0, 0), (2, 0, 0), ""),
     placed((48, 0), (2, 0)),
     placed((TiffImagePlugin.IFDRational(1, 0), 0, 0), (2, 0, 0))],
)  # fmt: skip
def test_invalid_coordinates_are_none(exif, quadrants, saved, details_of):
    details = details_of(saved(quadrants, "JPEG", exif=exif))
    assert (details.latitude, details.longitude) == (None, None)


@pytest.mark.slow
def test_details_are_returned_by_the_decoder_process(pool, stretched, quadrants, saved, details_of):
    exif = placed((48, 51, 24), (2, 21, 8))
    exif[MODEL] = "X100"
    data = saved(quadrants, "JPEG", exif=exif)
    (picture,) = pool.decode_in_order([data], stretched, ALL)
    assert picture.details == details_of(data)
    (bare,) = pool.decode_in_order([data], stretched)
    assert bare.details is None


MADE = ("perceptual_hash", "miniature", "_jpeg", "camera_and_lens", "coordinates", "resample")


@pytest.mark.parametrize("broken", MADE)
def test_a_failed_detail_affects_no_other(
    broken, quadrants, saved, stretched, details_of, monkeypatch
):
    data = saved(quadrants, "JPEG", exif=placed((1.0, 2.0, 3.0), (4.0, 5.0, 6.0)))
    whole = decode(data, stretched, details=ALL)

    def fail(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr(details_module, broken, fail)
    found = decode(data, stretched, details=ALL)
    assert (found.pixels == whole.pixels).all()
    lost = {name for name in FIELDS if getattr(found.details, name) != getattr(whole.details, name)}
    assert lost == LOST[broken]
    assert found.details.thumbnail is not None
    assert None not in (found.details.phash, found.details.miniature)


FIELDS = ("phash", "miniature", "thumbnail", "exif", "latitude", "longitude")
LOST = {
    "perceptual_hash": {"phash"},
    "miniature": {"miniature"},
    "_jpeg": {"thumbnail"},
    "camera_and_lens": set(),
    "coordinates": {"latitude", "longitude"},
    "resample": {"phash", "miniature", "thumbnail"},
}


@pytest.mark.parametrize("thumbnail", [None, b"", b"a file"])
def test_a_failed_thumbnail_is_distinguished_from_a_disabled_one(thumbnail):
    details = Details("", "", thumbnail=thumbnail)
    picture = Picture(np.zeros((3, 2, 2), np.float32), 2, 2, "image/png", details=details)
    assert protocol.read_picture(protocol.picture_message(picture)).details == details


@pytest.mark.parametrize(
    "size", [(1, 1), (1, 30_000), (30_000, 1), (1, 600), (800, 1), (7, 4_001), (16_383, 1)]
)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_thin_image_has_every_detail(size, format, saved, details_of):
    found = details_of(saved(Image.linear_gradient("L").resize(size).convert("RGB"), format))
    assert len(found.phash) == 16
    assert from_text(found.miniature)[1] > 0
    assert found.thumbnail


# Values of cameras and editors, including invalid ones.
ODD = st.one_of(
    st.text(max_size=60),
    st.binary(max_size=60),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["0000:00:00 00:00:00", "9999:99:99 99:99:99", "\0" * 20, "x" * 40_000]),
)


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.dictionaries(st.sampled_from([MAKE, MODEL, 0x0132, 0x010E, ORIENTATION]), ODD))
def test_unusual_exif_never_rejects_an_image(notes):
    exif = Image.Exif()
    exif.update(notes)
    file = io.BytesIO()
    try:
        Image.new("RGB", (40, 30), "red").save(file, "JPEG", exif=exif)
    except Exception:  # values that Pillow cannot write are not tested
        return
    wanted = Preprocessing(32, "stretch", "bicubic", (0, 0, 0), (1, 1, 1), (0, 0, 0))
    found = decode(file.getvalue(), wanted, details=ALL)
    assert sorted((found.width, found.height)) == [30, 40]
    assert found.details.miniature


PHOTOS = sorted(SAMPLES.rglob("*.webp"))[::8]


def photo(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")


def distance(one: str, other: str) -> int:
    return (int(one, 16) ^ int(other, 16)).bit_count()


def recompressed(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=30)
    return Image.open(file)


EDITS = {
    "half the size": lambda image: image.reduce(2),
    "recompressed": recompressed,
    "brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.15),
    "grey": lambda image: image.convert("L").convert("RGB"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_a_minor_edit_changes_few_bits_of_the_hash(edit):
    for path in PHOTOS:
        image = photo(path)
        assert distance(perceptual_hash(image), perceptual_hash(EDITS[edit](image))) <= 8


def test_hashes_of_different_images_differ_in_many_bits():
    hashes = [perceptual_hash(photo(path)) for path in PHOTOS]
    assert min(distance(*pair) for pair in combinations(hashes, 2)) > 12


def test_a_hash_is_sixteen_hexadecimal_digits_of_the_brightness_pattern():
    gradient = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    found = perceptual_hash(Image.fromarray(gradient))
    assert len(found) == 16
    # In a gradient only the mean is above the median, and no other coefficient.
    assert found[0] in "89abcdef"
    assert perceptual_hash(Image.fromarray(gradient[:, ::-1].copy())) != found


@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (12, 200, 77)])
def test_the_hash_of_a_uniform_image_has_only_the_mean_bit(color):
    bit = "8" if any(color) else "0"
    assert perceptual_hash(Image.new("RGB", (50, 20), color)) == bit + "0" * 15


def test_an_image_of_one_pixel_has_a_hash():
    assert len(perceptual_hash(Image.new("RGB", (1, 1), "red"))) == 16
