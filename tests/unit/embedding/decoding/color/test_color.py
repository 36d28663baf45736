"""Color management: colors are those of a color-managed viewer, in all formats."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from imagesearch.domain.images import DetailOptions
from imagesearch.embedding.decoding.color.declared_colors import MAX_PROFILE_BYTES
from imagesearch.embedding.decoding.color.icc_profiles import coded_profile
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.iso_media import primary_colors
from imagesearch.embedding.decoding.preprocessing import Preprocessing
from tests.support.images import color_profiles as icc
from tests.support.images.heif_boxes import with_property

SIDE = 64
WANTED = Preprocessing(SIDE, "stretch", "bicubic", (0, 0, 0), (1 / 255,) * 3, (0, 0, 0))
RGB_PROFILES = {
    "adobe": icc.rgb(icc.ADOBE),
    "p3": icc.rgb(icc.P3),
    "prophoto": icc.rgb(icc.PROPHOTO, 1.8),
    "rotated": icc.rgb(icc.ROTATED),
    "linear": icc.rgb(icc.SRGB, 1.0),
    "sampled": icc.rgb(icc.P3, np.linspace(0, 1, 300) ** 2.4),
    "version 4": icc.rgb(icc.P3, version=0x04300000),
    "table": icc.table(change=lambda v: np.stack(
        [v.mean(axis=1), 0.5 + 0.2 * (v[:, 0] - v[:, 1]), 0.5 + 0.2 * (v[:, 1] - v[:, 2])], -1
    )),
}  # fmt: skip
FORMATS = {
    "JPEG": {"quality": 97, "subsampling": 0},
    "PNG": {},
    "WEBP": {"lossless": True},
    "TIFF": {},
    "AVIF": {"quality": 97, "subsampling": "4:4:4"},
}
# Mean absolute error of lossy formats, of 255.
LOSS = 1.5


@pytest.fixture(scope="module")
def picture():
    """Smooth gradients with every hue at several saturations."""
    x, y = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE))
    red, green = 127 + 120 * np.sin(6 * x), 127 + 120 * np.cos(5 * y)
    return Image.fromarray(np.stack([red, green, 255 * (x + y) / 2], -1).astype(np.uint8))


def colors(file, **options):
    """Decoded pixels as [SIDE, SIDE, 3], 0 to 255."""
    return decode(file, WANTED, **options).pixels.transpose(1, 2, 0)


def converted(image, profile, mode="RGB"):
    """The pixels in sRGB, converted by ImageCms."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    target = ImageCms.createProfile("sRGB")
    shown = ImageCms.profileToProfile(image, source, target, 0, outputMode=mode, flags=0x2000)
    return np.asarray(shown.convert("RGB"), float)


def error(found, wanted):
    return np.abs(found - wanted).mean()


@pytest.mark.parametrize("name", RGB_PROFILES)
@pytest.mark.parametrize("format", FORMATS)
def test_a_profile_is_converted_in_every_format(format, name, picture, saved):
    profile = RGB_PROFILES[name]
    file = saved(picture, format, icc_profile=profile, **FORMATS[format])
    wanted = converted(picture, profile)
    assert error(colors(file), wanted) < LOSS
    assert error(np.asarray(picture, float), wanted) > 2 * LOSS


@pytest.mark.parametrize("name", ["adobe", "p3", "prophoto"])
def test_a_wide_gamut_photo_is_converted_within_two_levels(name):
    with Image.open("samples/animals/scarlet-macaw-parrot.webp") as sample:
        photo = sample.convert("RGB").resize((512, 396))
    profile = ImageCms.ImageCmsProfile(io.BytesIO(RGB_PROFILES[name]))
    stored = ImageCms.profileToProfile(photo, ImageCms.createProfile("sRGB"), profile, 1)
    file = io.BytesIO()
    stored.save(file, "JPEG", quality=95, icc_profile=RGB_PROFILES[name])
    wanted = photo.resize((SIDE, SIDE), Image.Resampling.BICUBIC)
    assert error(colors(file.getvalue()), np.asarray(wanted, float)) <= 2


def test_the_profile_of_a_heic_is_converted(data):
    plain = data("quadrants.heic")
    colored = with_property(plain, b"colr", b"prof" + RGB_PROFILES["rotated"])
    assert np.allclose(colors(colored), np.roll(colors(plain), 1, axis=-1), atol=12)


def test_a_thumbnail_is_in_srgb(picture, saved):
    profile = RGB_PROFILES["rotated"]
    file = saved(picture, "PNG", icc_profile=profile)
    details = decode(file, WANTED, details=DetailOptions(thumbnail=True)).details
    small = Image.open(io.BytesIO(details.thumbnail))
    assert "icc_profile" not in small.info
    assert error(np.asarray(small.convert("RGB"), float), converted(picture, profile)) < 6


@pytest.mark.parametrize("size", [(1_200, 900), (3_000, 900)])
def test_a_drafted_photo_is_converted(size, saved):
    image = Image.new("RGB", size, (200, 100, 50))
    found = colors(saved(image, "JPEG", icc_profile=RGB_PROFILES["prophoto"], quality=95))
    assert error(found, converted(image.crop((0, 0, SIDE, SIDE)), RGB_PROFILES["prophoto"])) < 2


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_transparency_is_composited_over_white_after_color_conversion(format, picture, saved):
    profile = RGB_PROFILES["rotated"]
    clear = picture.copy()
    clear.putalpha(Image.linear_gradient("L").resize(picture.size))
    file = saved(clear, format, icc_profile=profile, **FORMATS[format])
    alpha = np.asarray(clear.getchannel("A"), float)[..., None] / 255
    wanted = converted(picture, profile) * alpha + 255 * (1 - alpha)
    assert error(colors(file), wanted) < 1


def test_palette_colors_are_converted_and_transparency_is_preserved(picture, saved):
    profile = RGB_PROFILES["rotated"]
    palette = picture.quantize(64)
    wanted = converted(palette.convert("RGB"), profile)
    assert error(colors(saved(palette, "PNG", icc_profile=profile)), wanted) < 1
    index = palette.getpixel((0, 0))
    wanted[np.asarray(palette) == index] = 255
    file = saved(palette, "PNG", icc_profile=profile, transparency=index)
    assert error(colors(file), wanted) < 1


def test_the_transparent_color_is_matched_before_conversion(saved):
    image = Image.new("RGB", (SIDE, SIDE), (255, 0, 0))
    image.paste((0, 0, 255), (SIDE // 2, 0, SIDE, SIDE))
    profile = RGB_PROFILES["rotated"]
    found = colors(saved(image, "PNG", icc_profile=profile, transparency=(0, 0, 255)))
    assert np.allclose(found[8, 8], converted(image, profile)[8, 8], atol=2)
    assert np.allclose(found[8, -8], 255)


@pytest.mark.parametrize("profile", [None, icc.gray(1.0)], ids=["plain", "profile"])
def test_the_transparent_level_of_16_bit_gray_is_white(profile, saved):
    values = np.full((SIDE, SIDE), 20_000, np.uint16)
    values[:, SIDE // 2 :] = 30_000
    plain = saved(Image.fromarray(values), "PNG", icc_profile=profile)
    found = colors(with_chunks(plain, (b"tRNS", struct.pack(">H", 30_000))))
    assert np.allclose(found[8, 8], colors(plain)[8, 8])
    assert np.allclose(found[8, -8], 255)


GRAY, WIDE = icc.gray(1.0), icc.rgb(icc.P3, 1.0)


# WebP has no gray mode.
@pytest.mark.parametrize(
    ("profile", "format"),
    [(GRAY, "JPEG"), (GRAY, "PNG"), (GRAY, "TIFF")]
    + [(WIDE, format) for format in ("JPEG", "PNG", "TIFF", "WEBP")],
    ids=lambda value: value if isinstance(value, str) else "gray" if value == GRAY else "rgb",
)
def test_the_profile_of_a_gray_image_is_applied(profile, format, saved):
    image = Image.linear_gradient("L").resize((SIDE, SIDE))
    source = image.convert("RGB") if profile[16:20] == b"RGB " else image
    found = colors(saved(image, format, icc_profile=profile, **FORMATS[format]))
    assert error(found, converted(source, profile)) < LOSS
    assert error(found, np.asarray(image, float)[..., None]) > 20


@pytest.mark.parametrize("mode", ["LA", "L"])
def test_the_profile_of_a_gray_image_with_alpha_is_applied(mode, saved):
    image, profile = Image.new(mode, (SIDE, SIDE), 100 if mode == "L" else (100, 255)), icc.gray(1)
    options = {"transparency": 7} if mode == "L" else {}
    found = colors(saved(image, "PNG", icc_profile=profile, **options))
    assert np.allclose(found, converted(image.convert("L"), profile), atol=1)


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_the_profile_of_a_16_bit_gray_image_is_applied(format, saved):
    values = np.linspace(0, 65_535, SIDE * SIDE).reshape(SIDE, SIDE).astype(np.uint16)
    found = colors(saved(Image.fromarray(values), format, icc_profile=icc.gray(1.0)))
    light = values / 65_535
    wanted = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert error(found, 255 * wanted[..., None]) < 1


@pytest.mark.parametrize("format", ["JPEG", "TIFF"])
def test_cmyk_with_a_profile_is_converted(format, picture, saved):
    inks = picture.convert("CMYK")
    plain = saved(inks, format, **FORMATS[format])
    pressed = saved(inks, format, icc_profile=icc.press(), **FORMATS[format])
    assert error(colors(pressed), converted(inks, icc.press())) < 3
    assert error(colors(plain), np.asarray(inks.convert("RGB"), float)) < 3
    assert error(colors(pressed), colors(plain)) > 10


# ---------------------------------------------------------------- ignored profiles


@pytest.mark.parametrize("format", FORMATS)
def test_an_srgb_profile_changes_nothing(format, picture, saved):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain, tagged = (
        saved(picture, format, **FORMATS[format], **options)
        for options in ({}, {"icc_profile": profile})
    )
    assert np.array_equal(colors(plain), colors(tagged))


def without_colors():
    black = icc.rgb(gamma=np.zeros(2))
    link = icc.rgb()
    return {
        "nothing": b"\0",
        "text": b"not a profile" * 20,
        "cut": icc.rgb()[:200],
        "its header": icc.rgb()[:128],
        "too large": icc.rgb() + bytes(MAX_PROFILE_BYTES),
        "for gray": icc.gray(),
        "for a press": icc.press(),
        "link": link[:12] + b"link" + link[16:],
        "Lab": link[:16] + b"Lab " + link[20:],
        "black": black,
        "flat": icc.rgb([(0, 0, 0)] * 3),
    }


@pytest.mark.parametrize("name", without_colors())
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_a_damaged_or_mismatched_profile_is_ignored(name, format, picture, saved):
    options = FORMATS[format]
    plain = saved(picture, format, **options)
    strange = saved(picture, format, icc_profile=without_colors()[name], **options)
    assert np.array_equal(colors(strange), colors(plain))


def test_an_rgb_profile_is_ignored_in_a_cmyk_image(picture, saved):
    inks = picture.convert("CMYK")
    plain, strange = (
        saved(inks, "TIFF", **options) for options in ({}, {"icc_profile": icc.rgb(icc.P3)})
    )
    assert np.array_equal(colors(strange), colors(plain))


EDITS = st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4)))
SOURCES = [*RGB_PROFILES.values(), icc.gray(), icc.press()]


@settings(derandomize=True, max_examples=200, deadline=None)
@given(st.sampled_from(SOURCES), EDITS, st.floats(0.3, 1), st.sampled_from(["RGB", "L", "CMYK"]))
def test_a_mutated_profile_still_yields_an_image(profile, edits, kept, mode):
    changed = bytearray(profile)
    for place, new in edits:
        at = int(place**2 * len(changed))
        changed[at : at + len(new)] = new
    file = io.BytesIO()
    image = Image.new(mode, (16, 16))
    image.save(file, "TIFF", icc_profile=bytes(changed[: int(len(changed) * kept)]))
    assert np.isfinite(colors(file.getvalue())).all()


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(["RGB", "L", "CMYK", "P", "RGBA", "LA"]))
def test_a_profile_of_random_bytes_still_yields_an_image(profile, mode):
    file = io.BytesIO()
    Image.new(mode, (16, 16)).save(file, "TIFF", icc_profile=profile)
    colors(file.getvalue())


@settings(derandomize=True, max_examples=60, deadline=None)
@given(
    st.floats(0.1, 1),
    st.floats(1, 3),
    st.sampled_from(["RGB", "RGBA", "P", "L"]),
    st.sampled_from(["PNG", "TIFF"]),
)
def test_profiles_of_any_primaries_and_gamma_are_converted(share, gamma, mode, format):
    colorants = [
        tuple(np.add(np.multiply(one, 1 - share), np.multiply(other, share)))
        for one, other in zip(icc.SRGB, icc.PROPHOTO, strict=True)
    ]
    profile = icc.rgb(colorants, gamma)
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    image = Image.fromarray(values).resize((SIDE, SIDE), Image.Resampling.NEAREST).convert(mode)
    file = io.BytesIO()
    image.save(file, format, icc_profile=profile)
    # A profile that changes no color by more than 2 levels is treated as sRGB.
    assert error(colors(file.getvalue()), converted(image.convert("RGB"), profile)) < 2


# ---------------------------------------------------------------- color chunks of PNG


def png(image, *chunks):
    """The image as PNG with these chunks after the header."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return with_chunks(file.getvalue(), *chunks)


def with_chunks(file, *chunks):
    """A PNG file with these chunks after its header."""
    header = 8 + 25
    added = b"".join(
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        for name, body in chunks
    )
    return file[:header] + added + file[header:]


def gama(gamma):
    return b"gAMA", struct.pack(">I", round(100_000 / gamma))


def chrm(*values):
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


def iccp(profile):
    return b"iCCP", b"a\0\0" + zlib.compress(profile)


P3_POINTS = (0.3127, 0.3290, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060)
SRGB_POINTS = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
SRGB_CHUNK = (b"sRGB", b"\0")


def srgb_curve(light):
    return np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


def test_a_png_with_a_gamma_of_one_is_linear_light(picture):
    found = colors(png(picture, gama(1.0)))
    assert error(found, 255 * srgb_curve(np.asarray(picture) / 255)) < 1


@pytest.mark.parametrize(
    "chunks",
    [
        [gama(2.2)],
        [gama(2.2), chrm(*SRGB_POINTS)],
        [chrm(*SRGB_POINTS)],
        [SRGB_CHUNK, gama(1.0)],
        [gama(1.0), SRGB_CHUNK, chrm(*P3_POINTS)],
        [(b"gAMA", b"\0\0\0\0")],
        [(b"cHRM", bytes(32))],
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [(b"cICP", bytes([1, 1, 0, 1])), gama(1.0)],
        [(b"cICP", bytes([1, 13, 0, 1])), iccp(icc.rgb(icc.P3))],
        [(b"cICP", bytes([1, 13, 0, 1])), (b"cICP", bytes([12, 13, 0, 1]))],
        [gama(2.2), gama(1.0)],
        [chrm(*SRGB_POINTS), chrm(*P3_POINTS)],
    ],
    ids=str,
)
def test_a_png_with_an_srgb_chunk_is_unchanged(chunks, picture):
    assert np.array_equal(colors(png(picture, *chunks)), colors(png(picture)))


def test_the_primaries_of_a_png_are_converted(picture):
    found = colors(png(picture, gama(2.2), chrm(*P3_POINTS)))
    assert error(found, converted(picture, icc.rgb(icc.P3, srgb_samples()))) < 1


def srgb_samples():
    x = np.linspace(0, 1, 1_024)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("others", [[], [SRGB_CHUNK, gama(1.0)], [iccp(icc.rgb(icc.ROTATED))]])
def test_cicp_takes_precedence(others, picture):
    found = colors(png(picture, (b"cICP", bytes([12, 13, 0, 1])), *others))
    assert error(found, converted(picture, icc.rgb(icc.P3, srgb_samples()))) < 1


def test_a_profile_takes_precedence_over_srgb_and_gamma(picture):
    profile = icc.rgb(icc.ROTATED)
    found = colors(png(picture, iccp(profile), SRGB_CHUNK, gama(1.0)))
    assert error(found, converted(picture, profile)) < 1


@pytest.mark.parametrize(
    "coded", [[12, 13, 1, 1], [12, 13, 0, 0], [200, 13, 0, 1], [12, 200, 0, 1]]
)
def test_an_invalid_cicp_is_ignored(coded, picture):
    profile = icc.rgb(icc.ROTATED)
    found = colors(png(picture, (b"cICP", bytes(coded)), iccp(profile)))
    assert error(found, converted(picture, profile)) < 1


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_dynamic_range_is_tone_mapped_monotonically(transfer):
    ramp = Image.linear_gradient("L").resize((SIDE, SIDE)).convert("RGB")
    found = colors(png(ramp, (b"cICP", bytes([9, transfer, 0, 1]))))
    grays = found[:, 0]
    assert np.ptp(found, axis=-1).max() <= 2
    assert (np.diff(grays[:, 0]) >= -1).all()
    assert grays[0].max() < 5
    assert grays[-1].min() > 240


@pytest.mark.parametrize("transfer", [1, 13, 14])
def test_bt_2020_is_converted(transfer):
    image = Image.new("RGB", (SIDE, SIDE), (128, 128, 128))
    image.paste((60, 160, 60), (0, 0, SIDE, SIDE // 2))
    found = colors(png(image, (b"cICP", bytes([9, transfer, 0, 1]))))
    assert np.allclose(found[-4, 4], 128, atol=2)
    assert found[4, 4, 1] > 162
    assert found[4, 4, 0] < 30


# ---------------------------------------------------------------- AVIF, HEIF, BMP


def test_the_primaries_of_an_avif_are_converted(picture, saved):
    plain = saved(picture, "AVIF", **FORMATS["AVIF"])
    start = plain.index(b"colrnclx") + 8
    wide = plain[:start] + struct.pack(">HH", 12, 13) + plain[start + 4 :]
    assert error(colors(wide), converted(picture, icc.rgb(icc.P3, srgb_samples()))) < LOSS


def test_the_primaries_of_a_heic_are_converted(data):
    """SMPTE 170M primaries, which keep the colors within sRGB; others would be clipped."""
    plain = data("quadrants.heic")
    start = plain.index(b"colrnclx") + 8
    smaller = plain[:start] + struct.pack(">HH", 6, 13) + plain[start + 4 :]
    image = Image.fromarray(colors(plain).round().clip(0, 255).astype(np.uint8))
    found = colors(smaller)
    assert error(found, converted(image, coded_profile(6, 13))) < 3
    assert error(found, colors(plain)) > 4


def test_a_profile_of_an_avif_takes_precedence_over_its_primaries(picture, saved):
    profile = icc.rgb(icc.ROTATED)
    plain = saved(picture, "AVIF", icc_profile=profile, **FORMATS["AVIF"])
    assert error(colors(plain), converted(picture, profile)) < LOSS


@settings(derandomize=True, max_examples=100, deadline=None)
@given(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=4))
def test_damaged_boxes_raise_no_error(place, new):
    file = io.BytesIO()
    Image.new("RGB", (16, 16)).save(file, "AVIF")
    changed = bytearray(file.getvalue()[:400])
    at = int(place * len(changed))
    changed[at : at + len(new)] = new
    assert primary_colors(bytes(changed)) is None or len(primary_colors(bytes(changed))) == 2


def test_the_embedded_profile_of_a_bmp_is_converted(picture, saved):
    profile = icc.rgb(icc.ROTATED)
    plain = saved(picture, "BMP")
    pixels = plain[54:]
    header = plain[18:54] + struct.pack("<4I", 0xFF0000, 0xFF00, 0xFF, 0)
    header += b"DEBM" + bytes(48)
    header += struct.pack("<4I", 4, 124 + len(pixels), len(profile), 0)
    whole = b"\x7c\0\0\0" + header
    assert len(whole) == 124
    file = b"BM" + struct.pack("<IHHI", 138 + len(pixels) + len(profile), 0, 0, 138)
    assert error(colors(file + whole + pixels + profile), converted(picture, profile)) < 1
