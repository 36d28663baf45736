"""Calibration: an invalid background file is an error that names the file."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest

from imagesearch.domain.errors import ConfigurationError
from imagesearch.embedding.calibration import relevance
from imagesearch.embedding.manifest import load_manifest
from imagesearch.search.relevance import Modality

KIND = {
    "background": "background.npy",
    "neighbours": 2,
    "slope": 10.0,
    "base": 0.1,
    "nearness": 0.5,
}
ROWS = np.array([[127, 0, 0, 0], [0, -5, 0, 0], [30, 30, 30, 30]], np.int8)


@pytest.fixture
def calibrate(model_copy):
    """Writes a background of bytes or rows to the model, with changed manifest entries."""

    def write(background=ROWS, **expected) -> Path:
        data = background if isinstance(background, bytes) else _npy(background)
        (model_copy / "background.npy").write_bytes(data)
        manifest = json.loads((model_copy / "manifest.json").read_text())
        entry = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        manifest["files"]["background.npy"] = entry
        manifest["relevance"] = {kind.value: KIND for kind in Modality} | expected
        (model_copy / "manifest.json").write_text(json.dumps(manifest))
        return model_copy

    return write


def _npy(rows: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, rows)
    return file.getvalue()


def test_background_rows_are_normalized(calibrate):
    folder = calibrate(image=KIND | {"slope": 3.0})
    found = relevance(folder, load_manifest(folder))
    query = np.array([1, 0, 0, 0], np.float32)
    text, image = (found.for_query(query, kind) for kind in (Modality.TEXT, Modality.IMAGE))
    # The cosines are 1, 0 and 0.5.
    assert text.middle == pytest.approx(0.1 + 0.5 * 0.75)
    assert (text.slope, image.slope) == (10, 3)


def test_a_model_without_a_calibration_has_none(tiny_model):
    assert relevance(tiny_model, load_manifest(tiny_model)) is None


def test_a_calibration_does_not_change_the_image_space(calibrate, manifest):
    assert load_manifest(calibrate()).image_space == manifest.image_space


@pytest.mark.parametrize(
    ("background", "expected"),
    [(b"", "not a NumPy"), (b"\x93NUMPY", "not a NumPy"), (b"PK\x03\x04" * 9, "not a NumPy"),
     (_npy(ROWS)[:-1], "not a NumPy"), (ROWS.astype(np.float32), "float32"),
     (ROWS[:, :3], r"int8 \[3, 3\] instead of int8 \[N, 4\]"), (ROWS[0], r"int8 \[4\]"),
     (ROWS[:1], "1 vectors, fewer than the 2"), (ROWS[:0], "0 vectors"),
     (ROWS * np.int8([[1], [0], [1]]), "of length 0 in row 1")],
)  # fmt: skip
def test_an_invalid_background_file_is_named(background, expected, calibrate):
    folder = calibrate(background)
    with pytest.raises(ConfigurationError, match=expected) as caught:
        relevance(folder, load_manifest(folder))
    assert str(folder / "background.npy") in caught.value.message
    assert "calibrate" in caught.value.hint


def test_pickled_objects_are_not_loaded(calibrate):
    pickled = io.BytesIO()
    np.save(pickled, np.array([{}, {}], object), allow_pickle=True)
    folder = calibrate(pickled.getvalue())
    with pytest.raises(ConfigurationError, match="not a NumPy array"):
        relevance(folder, load_manifest(folder))


def test_a_background_with_another_hash_is_rejected(calibrate):
    folder = calibrate()
    (folder / "background.npy").write_bytes(_npy(ROWS[::-1]))
    with pytest.raises(ConfigurationError, match="SHA-256"):
        relevance(folder, load_manifest(folder))


@pytest.mark.parametrize(
    ("expected", "named"),
    [({"text": KIND | {"slope": 0}}, "text.slope"), ({"image": KIND | {"slope": -1}}, "slope"),
     ({"mixed": KIND | {"base": float("nan")}}, "mixed.base"), ({"sound": KIND}, "relevance.sound"),
     ({"text": KIND | {"neighbours": 0}}, "text.neighbours"),
     ({"image": KIND | {"background": "../x.npy"}}, "image.background"),
     ({"mixed": KIND | {"background": "absent.npy"}}, "absent.npy"),
     ({"text": {"slope": 1, "base": 0}}, "text.background")],
)  # fmt: skip
def test_an_invalid_value_is_named(expected, named, calibrate):
    folder = calibrate(**expected)
    with pytest.raises(ConfigurationError, match=named):
        load_manifest(folder)
