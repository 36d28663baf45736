"""Runs the self-test on a model folder, and writes `calibration.json` with its backgrounds.

The runtime and Pillow are imported for the test only: requests to delete a model do not need them.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from imagesearch.calibration.calibration_set import SAMPLES, CalibrationSet, shipped_set
from imagesearch.calibration.calibrator import (
    Calibrator,
    Fitted,
    Outcome,
    Progress,
)
from imagesearch.calibration.parity import (
    QUANTIZED,
    Parity,
    compare,
    faults,
    vectors_alone,
    vectors_of,
)
from imagesearch.domain.errors import (
    ConfigurationError,
    InvalidQuery,
    ModelRefused,
    UnreadableImage,
)
from imagesearch.domain.images import Embedding
from imagesearch.embedding.calibration_file import (
    CALIBRATION,
    CalibrationFile,
    model_digest,
    read_calibration,
)
from imagesearch.embedding.manifest import (
    Calibration,
    DuplicateWeights,
    FileEntry,
    KindCalibration,
    Manifest,
    load_manifest,
)
from imagesearch.embedding.model_catalog import STARTER
from imagesearch.search.relevance import Modality

if TYPE_CHECKING:
    from imagesearch.embedding.self_test.onnx_model import OnnxModel

_BACKGROUNDS = "calibration-*.npy"
# Codes of the errors of a model's files and vectors; other errors are those of photos or machines.
_UNUSABLE = ("invalid_model", "no_embedding", "invalid_text")
_UNUSABLE_HINT = "its vectors must be finite and longer than 0: export its graphs again"


def recorded_result(folder: Path) -> CalibrationFile | None:
    """The result of any set for this model; None if it is missing, incomplete or damaged.

    A refusal that was not accepted is no result: the next test runs again.
    """
    try:
        found = read_calibration(folder, load_manifest(folder))
    except ConfigurationError:
        return None
    if not found or not found.accepted:
        return None
    return found if all((folder / name).is_file() for name in found.files) else None


def current_result(folder: Path, photos: CalibrationSet) -> CalibrationFile | None:
    """The result of this set for this model; None if it is missing, incomplete or damaged."""
    found = recorded_result(folder)
    return found if found and _is_of(found, photos) else None


def _is_kept(found: CalibrationFile, photos: CalibrationSet, accept: bool) -> bool:
    if photos.is_of_samples and (found.refusal or found.calibration_set[0] != photos.name):
        return True
    return _is_of(found, photos) and (accept or not found.refusal)


def _is_of(found: CalibrationFile, photos: CalibrationSet) -> bool:
    return found.calibration_set == (photos.name, photos.digest)


class SampleSelfTest:
    """Tests model folders with the sample photos; `report` gets the summary and the figures."""

    def __init__(self, report: Callable[[str, dict[str, Any]], object]) -> None:
        self._report = report

    @cached_property
    def _photos(self) -> CalibrationSet:
        return shipped_set()

    def is_current(self, folder: Path) -> bool:
        """True if the folder has the result of these photos for its model."""
        return current_result(folder, self._photos) is not None

    def run(self, folder: Path, progress: Progress) -> None:
        """Write the result into the folder. Raises ModelRefused, ConfigurationError."""
        found = run_self_test(folder, self._photos, progress=progress)
        self._report(summary(folder, self._photos, found), found.figures)


def self_tested(
    folder: Path,
    photos: CalibrationSet,
    *,
    float32: Path | None = None,
    accept: bool = False,
    progress: Progress = lambda _, __: None,
    again: bool = False,
) -> CalibrationFile:
    """The result of this set in the folder; runs the test if there is none, or `again`.

    The sample photos do not replace the result of a model that was accepted, or calibrated with
    other photos. Arguments and exceptions are those of `run_self_test`.
    """
    found = None if again else recorded_result(folder)
    if found and _is_kept(found, photos, accept):
        return found
    return run_self_test(folder, photos, float32=float32, accept=accept, progress=progress)


def run_self_test(
    folder: Path,
    photos: CalibrationSet,
    *,
    float32: Path | None = None,
    accept: bool = False,
    progress: Progress = lambda _, __: None,
) -> CalibrationFile:
    """Test and calibrate the model of a folder, and write the result into the folder.

    float32: the folder of the float32 model from which the model was quantized.
    accept: record the figures of a model that is refused, without a calibration.

    Raises ModelRefused, after a refusal by the sample photos is recorded in the folder, so that
    nothing uses the model. A calibration that the folder has already is not replaced by a refusal.
    Raises ConfigurationError, also for damaged files.
    """
    manifest = load_manifest(folder)
    if not os.access(folder, os.W_OK):
        raise ConfigurationError(
            f"{folder} is not writable, and the result of the test is written into it",
            "copy the model to a folder that you can write",
        )
    parity: list[Parity] = []
    try:
        outcome = outcome_of(
            folder, photos, float32=float32, progress=progress, report_parity=parity.append
        )
    except ModelRefused as unusable:
        _record_refusal(folder, manifest, photos, unusable.message)
        raise
    if outcome.refusal and not accept:
        _record_refusal(folder, manifest, photos, outcome.refusal, figures_of(outcome, *parity))
        hint = (
            "if it is for other images than photos, `imagesearch models pull` and `calibrate` take"
            " it with --accept, and calibrate it with your own with --captions FILE"
        )
        raise ModelRefused(outcome.refusal, hint)
    return write_outcome(folder, manifest, photos, outcome, *parity)


def _record_refusal(
    folder: Path,
    manifest: Manifest,
    photos: CalibrationSet,
    refusal: str,
    figures: dict[str, Any] | None = None,
) -> None:
    # With photos and captions of the user, the captions may be at fault instead of the model.
    if not photos.is_of_samples or manifest.relevance or recorded_result(folder):
        return
    written = CalibrationFile(
        model=model_digest(manifest),
        calibration_set=(photos.name, photos.digest),
        figures=figures or {},
        refusal=refusal,
        accepted=False,
    )
    _write(folder, written)


def outcome_of(
    folder: Path,
    photos: CalibrationSet,
    *,
    float32: Path | None = None,
    progress: Progress = lambda _, __: None,
    report_parity: Callable[[Parity], object] = lambda _: None,
) -> Outcome:
    """The result of the test of a folder, which is not changed.

    float32: see `run_self_test`; `report_parity` gets the figures of the comparison with it.

    Raises ModelRefused for a model that cannot be loaded, rejects photos or captions, or gives no
    usable vector for one. Raises ConfigurationError.
    """
    from imagesearch.embedding.self_test.edits import PillowEditor
    from imagesearch.embedding.self_test.onnx_model import OnnxModel

    manifest = load_manifest(folder)
    try:
        model = OnnxModel(folder, manifest)
        try:
            calibrator = Calibrator(model, photos, PillowEditor(), progress)
            return calibrator.run(lambda: parity_faults(model, float32, photos, report_parity))
        finally:
            model.close()
    except (ConfigurationError, UnreadableImage, InvalidQuery) as error:
        if error.code not in _UNUSABLE:
            raise
        if isinstance(error, ConfigurationError):
            message = f"{manifest.name} cannot be used: {error.message}"
            raise ModelRefused(message, error.hint) from error
        image = f"{manifest.name} returns no usable vector for a photo"
        message = image if isinstance(error, UnreadableImage) else error.message
        raise ModelRefused(message, _UNUSABLE_HINT) from error


def write_outcome(
    folder: Path,
    manifest: Manifest,
    photos: CalibrationSet,
    outcome: Outcome,
    parity: Parity | None = None,
) -> CalibrationFile:
    """Write the backgrounds under names of their content, then `calibration.json`, atomically."""
    files: dict[str, FileEntry] = {}
    fitted = outcome.fitted
    names = dict.fromkeys(Modality, "")
    if fitted:
        labels = _write_background(folder, "labels", fitted.labels, files)
        pictures = _write_background(folder, "photos", fitted.photos, files)
        names = {Modality.TEXT: labels, Modality.IMAGE: pictures, Modality.MIXED: pictures}
    written = CalibrationFile(
        model=model_digest(manifest),
        calibration_set=(photos.name, photos.digest),
        relevance=_relevance(fitted, names) if fitted else None,
        temperature=fitted.temperature if fitted else None,
        duplicates=DuplicateWeights(**asdict(fitted.duplicates)) if fitted else None,
        files=files,
        figures=figures_of(outcome, parity),
        refusal=outcome.refusal,
    )
    _write(folder, written)
    return written


def _write(folder: Path, written: CalibrationFile) -> None:
    part = folder / f"{CALIBRATION}.part"
    part.write_text(written.as_text(), "utf-8")
    part.replace(folder / CALIBRATION)
    for path in folder.glob(_BACKGROUNDS):
        if path.name not in written.files:
            path.unlink()


def summary(folder: Path, photos: CalibrationSet, found: CalibrationFile) -> str:
    """Such as `clip: finds the right sample photo first for 71 of 85 captions; calibrated.`

    photos: the set of the command; a kept result may be of another one.
    """
    name, tested = load_manifest(folder).name, found.calibration_set[0]
    test = found.figures["test"]
    photo = "sample photo" if tested == SAMPLES else f"photo of {tested}"
    comparable = tested == photos.name and name != STARTER and photos.is_of_samples
    starter = f" (starter: {photos.starter_found})" if comparable else ""
    state = "calibrated" if found.relevance else f"not calibrated: {found.refusal}"
    return (
        f"{name}: finds the right {photo} first for {test['found_first']} of {test['photos']}"
        f" captions{starter}; {state}."
    )


def parity_faults(
    model: OnnxModel,
    float32: Path | None,
    photos: CalibrationSet,
    report: Callable[[Parity], object] = lambda _: None,
) -> Sequence[str]:
    """The reasons to refuse a model that was quantized from this one; empty without it.

    Raises ConfigurationError for a float32 model that cannot be used.
    """
    if float32 is None:
        return ()
    try:
        originals = _originals(float32, photos)
    except (ConfigurationError, UnreadableImage, InvalidQuery) as error:
        # Without its code, which is a reason to refuse the tested model.
        raise ConfigurationError(
            f"{float32} cannot be used: {error.message}", error.hint
        ) from error
    shipped = vectors_of(model.images, model.texts, photos.photos, photos.captions)
    parity = compare(shipped, *originals)
    report(parity)
    return faults(parity, QUANTIZED)


def _originals(float32: Path, photos: CalibrationSet) -> tuple[Embedding, Embedding]:
    from imagesearch.embedding.self_test.onnx_model import OnnxModel

    exact = OnnxModel(float32, load_manifest(float32))
    try:
        return vectors_alone(exact.images, exact.texts, photos.photos, photos.captions)
    finally:
        exact.close()


def _relevance(fitted: Fitted, backgrounds: dict[Modality, str]) -> Calibration:
    kinds = {
        kind.value: KindCalibration(
            background=backgrounds[kind], neighbours=fitted.neighbors[kind], **asdict(curve)
        )
        for kind, curve in fitted.curves.items()
    }
    return Calibration(**kinds)


def figures_of(outcome: Outcome, parity: Parity | None = None) -> dict[str, Any]:
    """The figures of `CalibrationFile`."""
    fitted = {"relevance": outcome.fitted.figures()} if outcome.fitted else {}
    compared = {"parity": parity.as_manifest()} if parity else {}
    return {"test": asdict(outcome.test)} | fitted | compared


def _write_background(
    folder: Path, name: str, rows: NDArray[np.int8], files: dict[str, FileEntry]
) -> str:
    file = io.BytesIO()
    np.save(file, rows)
    data = file.getvalue()
    sha256 = hashlib.sha256(data).hexdigest()
    path = folder / f"calibration-{name}-{sha256[:12]}.npy"
    part = folder / f"{path.name}.part"
    part.write_bytes(data)
    part.replace(path)
    files[path.name] = FileEntry(sha256=sha256, bytes=len(data))
    return path.name
