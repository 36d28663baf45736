"""Camera RAW: the largest preview or else development, upright, and never the thumbnail."""

from __future__ import annotations

import io
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from imagesearch.domain.errors import UnreadableImage
from imagesearch.domain.images import DetailOptions
from imagesearch.domain.media_types import EXTENSIONS_OF, named_as_image
from imagesearch.embedding.decoding.decoder import decode
from imagesearch.embedding.decoding.preprocessing import DecodingLimits, Picture, Preprocessing
from imagesearch.embedding.decoding.workers.pool import DecoderPool
from tests.support.images import raw_files as raw

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
QUADRANTS = [RED, GREEN, BLUE, WHITE]
SIZE = (960, 640)
HALF = (480, 320)
# Development of synthetic sensor data is less exact than a JPEG.
LOSSY, DEVELOPED = 12, 60
ALL = DetailOptions(thumbnail=True, gps=True)
NAMES = sorted(raw.files_of_all_makers(Image.new("RGB", (16, 16))))
# Quadrants by orientation, as (top left, top right, bottom left, bottom right).
TURNED = {
    1: [0, 1, 2, 3], 2: [1, 0, 3, 2], 3: [3, 2, 1, 0], 4: [2, 3, 0, 1],
    5: [0, 2, 1, 3], 6: [2, 0, 3, 1], 7: [3, 1, 2, 0], 8: [1, 3, 0, 2],
}  # fmt: skip


@pytest.fixture(scope="module")
def scene(quadrants) -> Image.Image:
    return quadrants.resize(SIZE, Image.Resampling.NEAREST)


@pytest.fixture(scope="module")
def files(scene):
    return raw.files_of_all_makers(scene)


@pytest.fixture(scope="module")
def children():
    pool = DecoderPool()
    yield pool
    pool.close()


def near(found, wanted, by=LOSSY):
    return np.abs(np.subtract(found, wanted)).max() <= by


def size(picture):
    return picture.width, picture.height


@pytest.mark.parametrize("name", NAMES)
def test_the_preview_and_its_size_are_read_for_every_maker(name, files, stretched, corners):
    picture = decode(files[name], stretched, details=ALL)
    assert size(picture) == SIZE
    assert near(corners(picture), QUADRANTS)
    assert Image.open(io.BytesIO(picture.details.thumbnail)).size == (320, 213)
    assert "." + name.rpartition(".")[2] in EXTENSIONS_OF[picture.content_type]
    assert named_as_image(name)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("shown", ["preview", "preview that says so", "developed"])
def test_a_raw_image_is_rotated_once(orientation, shown, scene, stretched, corners):
    tags = Image.Exif()
    tags[raw.ORIENTATION] = orientation
    own = {"exif": tags} if shown == "preview that says so" else {}
    previews = [] if shown == "developed" else [raw.jpeg(scene, **own)]
    picture = decode(raw.dng(scene, previews=previews, orientation=orientation), stretched)
    assert size(picture) == (SIZE if orientation < 5 else SIZE[::-1])
    wanted = [QUADRANTS[place] for place in TURNED[orientation]]
    assert near(corners(picture), wanted, DEVELOPED if shown == "developed" else LOSSY)


@pytest.mark.parametrize("orientation", [3, 6, 8])
@pytest.mark.parametrize("maker", ["canon cr2", "canon cr3", "fuji"])
def test_a_file_unknown_to_libraw_is_rotated(orientation, maker, scene, stretched, corners):
    turn = {raw.ORIENTATION: raw.shorts(orientation)}
    tags = Image.Exif()
    tags[raw.ORIENTATION] = orientation
    made = {
        "canon cr2": lambda: raw.tiff_like(
            scene, "Canon", "EOS", first="strip", header_extension=b"CR\2\0" + bytes(4), extra=turn
        ),
        "canon cr3": lambda: raw.cr3(raw.jpeg(scene), {b"CMT1": raw.Tiff().file(turn)}),
        "fuji": lambda: raw.raf(raw.jpeg(scene, exif=tags)),
    }
    picture = decode(made[maker](), stretched)
    assert size(picture) == (SIZE if orientation < 5 else SIZE[::-1])
    assert near(corners(picture), [QUADRANTS[place] for place in TURNED[orientation]])


def test_an_upright_preview_is_not_rotated(scene, stretched, corners):
    upright = ImageOps.exif_transpose(scene.transpose(Image.Transpose.ROTATE_270))
    picture = decode(raw.dng(scene, previews=[raw.jpeg(upright)], orientation=6), stretched)
    assert size(picture) == SIZE[::-1]
    assert near(corners(picture), [QUADRANTS[place] for place in TURNED[6]])


def test_a_raw_file_without_a_preview_is_developed_at_half_size(scene, stretched, corners):
    for kind in (raw.CFA, raw.LINEAR_RAW):
        picture = decode(raw.dng(scene, kind=kind), stretched)
        assert size(picture) == SIZE
        assert picture.content_type == "image/x-adobe-dng"
        assert near(corners(picture), QUADRANTS, DEVELOPED)


def test_a_preview_of_thumbnail_size_is_not_used(quadrants, stretched, corners):
    large = quadrants.resize((1_920, 1_280), Image.Resampling.NEAREST)
    wrong = Image.new("RGB", (320, 213), "gray")
    file = raw.dng(large, previews=[raw.jpeg(wrong), raw.jpeg(raw.stamp(large))])
    assert near(corners(decode(file, stretched)), QUADRANTS, DEVELOPED)


def test_the_size_is_that_of_the_full_image_for_any_preview(quadrants, stretched):
    large = quadrants.resize((1_920, 1_280), Image.Resampling.NEAREST)
    picture = decode(raw.dng(large, previews=[raw.jpeg(quadrants.resize((600, 400)))]), stretched)
    assert size(picture) == (1_920, 1_280)


def test_the_largest_preview_is_found_at_any_offset(scene, stretched, corners):
    smaller = Image.new("RGB", (600, 400), "gray")
    for previews in ([smaller, scene], [scene, smaller]):
        file = raw.dng(scene, previews=[raw.jpeg(each) for each in previews])
        assert near(corners(decode(file, stretched)), QUADRANTS)


def test_a_damaged_preview_is_replaced_by_an_intact_one(scene, stretched, corners):
    whole, smaller = raw.jpeg(scene), raw.jpeg(scene.resize((600, 400)))
    cut = raw.dng(scene, previews=[whole[:-2_000], smaller])
    spoiled = raw.dng(scene, previews=[whole, smaller]).replace(whole[:9], b"\xff\xd8\xffspoilt")
    lossless = raw.dng(scene, previews=[whole, smaller])
    lossless = lossless.replace(whole, whole.replace(b"\xff\xc0", b"\xff\xc3"))
    for file in (cut, spoiled, lossless):
        assert near(corners(decode(file, stretched)), QUADRANTS)


def test_an_uncompressed_preview_is_read(scene, stretched, corners):
    tiff = raw.Tiff()
    sensor = raw.pixels(tiff, scene, raw.CFA) | {259: raw.shorts(34_713)}
    subs = tiff.add_directory(sensor), tiff.add_directory(raw.pixels(tiff, scene, raw.RGB))
    first = raw.pixels(tiff, raw.stamp(scene), raw.RGB)
    first |= {raw.SUBFILE: raw.longs(1), raw.SUB_DIRECTORIES: raw.longs(*subs)}
    first |= {raw.MAKE: raw.text("Nobody"), raw.ORIENTATION: raw.shorts(6)}
    picture = decode(tiff.file(first), stretched)
    assert size(picture) == SIZE[::-1]
    assert near(corners(picture), [QUADRANTS[place] for place in TURNED[6]], DEVELOPED)


@pytest.mark.slow
def test_a_tile_of_compressed_sensor_data_is_not_a_preview(scene, stretched, children):
    """Each tile of a lossy DNG is a JPEG, larger than the thumbnail limit."""
    tiff = raw.Tiff()
    tile = raw.jpeg(Image.new("RGB", (640, 640), "gray"))
    places = [tiff.add(tile) for _ in range(2)]
    sensor = {
        raw.SUBFILE: raw.longs(0), 256: raw.longs(1_280), 257: raw.longs(640),
        258: raw.shorts(8, 8, 8), 259: raw.shorts(34_892), 262: raw.shorts(raw.LINEAR_RAW),
        277: raw.shorts(3), 322: raw.longs(640), 323: raw.longs(640),
        324: raw.longs(*places), 325: raw.longs(*[len(tile)] * 2),
    }  # fmt: skip
    first = raw.pixels(tiff, raw.stamp(scene), raw.RGB)
    first |= {raw.SUBFILE: raw.longs(1), raw.MAKE: raw.text("Nobody")}
    first |= {raw.SUB_DIRECTORIES: raw.longs(tiff.add_directory(sensor))} | raw.DNG_VERSION
    (found,) = children.decode_in_order([tiff.file(first)], stretched)
    # Support for development depends on LibRaw.
    if isinstance(found, Picture):
        assert size(found) == (1_280, 640)
    else:
        assert "image/x-adobe-dng" in found.message


def test_a_raw_file_without_preview_or_decodable_data_is_rejected_by_name(stretched, scene):
    tiny = raw.jpeg(raw.stamp(scene))
    for file, kind in ((raw.raf(tiny), "x-fuji-raf"), (raw.cr3(tiny), "x-canon-cr3")):
        with pytest.raises(UnreadableImage, match=kind) as caught:
            decode(file, stretched)
        assert "JPEG" in caught.value.hint


def test_a_development_error_is_reported(scene, stretched):
    outside = raw.dng(scene, sensor={273: raw.longs(2**30)})
    mostly_black = scene.copy()
    mostly_black.paste((0, 0, 0), (0, 240, *SIZE))
    for file in (outside, raw.dng(mostly_black)):
        with pytest.raises(UnreadableImage, match="developing it fails") as caught:
            decode(file, stretched)
        assert "image/x-adobe-dng" in caught.value.message


def test_development_over_the_memory_limit_is_rejected(scene, stretched):
    with pytest.raises(UnreadableImage, match="over the limit of 1 MB") as caught:
        decode(raw.dng(scene), stretched, limits=DecodingLimits(memory_bytes=1_500_000))
    assert caught.value.code == "image_too_large"


EXIF_TAGS = {
    36867: raw.text("2024:07:01 10:00:00"),
    36881: raw.text("+02:00"),
    42036: raw.text("XF23mmF2"),
}
PLACE = {
    1: raw.text("S"), 2: raw.rationals((33, 1), (51, 1), (24, 1)),
    3: raw.text("E"), 4: raw.rationals((151, 1), (12, 1), (36, 1)),
}  # fmt: skip


def with_exif(maker, scene, shown):
    if maker == "canon.cr3":
        camera = {raw.MAKE: raw.text("Made"), raw.MODEL: raw.text("Made by hand")}
        blocks = {b"CMT1": camera, b"CMT2": EXIF_TAGS, b"CMT4": PLACE}
        exif_entries = {name: raw.Tiff().file(tags) for name, tags in blocks.items()}
        return raw.cr3(raw.jpeg(scene), exif_entries)
    head = b"IIU\0" if maker == "panasonic.rw2" else b"II*\0"
    tiff = raw.Tiff(head)
    places = {raw.EXIF: EXIF_TAGS, 34853: PLACE}
    tags = {tag: raw.longs(tiff.add_directory(block)) for tag, block in places.items()}
    sensor = raw.pixels(tiff, scene, raw.CFA) | {raw.SUBFILE: raw.longs(0)}
    subs = [tiff.add_directory(sensor)]
    if shown:
        subs.append(tiff.add_directory(raw.preview(tiff, scene, raw.jpeg(scene))))
    tags |= raw.pixels(tiff, raw.stamp(scene), raw.RGB) | {raw.SUBFILE: raw.longs(1)}
    tags |= {raw.SUB_DIRECTORIES: raw.longs(*subs)}
    tags |= {raw.MAKE: raw.text("Made"), raw.MODEL: raw.text("Made by hand")}
    return tiff.file(tags)


@pytest.mark.parametrize("maker", ["nikon.nef", "panasonic.rw2", "canon.cr3"])
def test_date_camera_lens_and_coordinates_are_read_from_the_raw_file(maker, scene, stretched):
    picture = decode(with_exif(maker, scene, shown=True), stretched, details=ALL)
    assert picture.taken_at == datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
    assert picture.details.exif == {"camera": "Made by hand", "lens": "XF23mmF2"}
    assert (picture.details.latitude, picture.details.longitude) == (-33.856667, 151.21)


def test_a_developed_image_keeps_its_exif(scene, stretched):
    picture = decode(with_exif("nikon.nef", scene, shown=False), stretched, details=ALL)
    assert picture.taken_at == datetime(2024, 7, 1, 8, 0, tzinfo=UTC)
    assert picture.details.exif["lens"] == "XF23mmF2"


def test_the_exif_of_the_preview_is_used_if_the_file_has_none(scene, stretched):
    tags = Image.Exif()
    tags[raw.MAKE], tags[raw.MODEL] = "FUJIFILM", "X-T3"
    tags[raw.EXIF] = {36867: "2024:07:01 10:00:00"}
    picture = decode(raw.raf(raw.jpeg(scene, exif=tags)), stretched, details=ALL)
    assert picture.taken_at == datetime(2024, 7, 1, 10, 0, tzinfo=UTC)
    assert picture.details.exif == {"camera": "FUJIFILM X-T3"}


@pytest.mark.parametrize("options", [{}, {"compression": "jpeg"}, {"big_tiff": True}])
def test_a_camera_tiff_is_read_as_tiff(options, scene, saved, stretched):
    tags = Image.Exif()
    tags[raw.MAKE], tags[raw.MODEL] = "NIKON CORPORATION", "NIKON Z 6"
    pages = {"save_all": True, "append_images": [scene.resize((1_200, 800))]}
    for more in ({}, pages):
        picture = decode(saved(scene, "TIFF", exif=tags, **options, **more), stretched)
        assert (picture.content_type, size(picture)) == ("image/tiff", SIZE)


@pytest.mark.slow
def test_libraw_is_imported_for_raw_files_only():
    program = (
        "import io, sys; from PIL import Image;"
        "from imagesearch.embedding.decoding.decoder import decode, decoder_name;"
        "from imagesearch.embedding.decoding.preprocessing import Preprocessing;"
        "file = io.BytesIO(); Image.new('RGB', (9, 9)).save(file, 'TIFF'); decoder_name();"
        "decode(file.getvalue(), Preprocessing(8, 'pad', 'bicubic', (0,)*3, (1,)*3, (0,)*3));"
        "sys.exit(' '.join({'rawpy', 'pillow_jxl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (1, b"\n")


WANTED = Preprocessing(16, "stretch", "bicubic", (0, 0, 0), (1 / 255,) * 3, (0, 0, 0))
EDITS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=6)), max_size=6
)


@pytest.mark.slow
@settings(derandomize=True, max_examples=120, deadline=None)
@given(st.sampled_from([*NAMES, "bare.dng"]), EDITS, st.floats(0.02, 1), st.booleans())
def test_a_damaged_raw_file_never_yields_its_thumbnail(
    files, children, scene, name, edits, kept, at_the_end
):
    file = bytearray(raw.dng(scene) if name == "bare.dng" else files[name])
    for place, new in edits:
        # Tables can be at the beginning, or at the end as here.
        at = int(place**2 * len(file))
        at = len(file) - 1 - at if at_the_end else at
        file[at : at + len(new)] = new
    damaged = bytes(file[: int(len(file) * kept)])
    (result,) = children.decode_in_order([damaged], WANTED)
    assert isinstance(result, Picture | UnreadableImage)
    if isinstance(result, Picture):
        assert size(result) != raw.STAMP
