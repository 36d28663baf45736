"""The command `imagesearch` with a self-test of few photos, without the fit of a calibration.

With all photos it takes more than a minute.
"""

import sys
from dataclasses import replace

from imagesearch.calibration import calibrator
from imagesearch.calibration.calibration_set import CalibrationSet, shipped_set
from local import cli
from local.model_switch import install
from local.models import calibration

PHOTO_STEP, LABEL_STEP = 3, 20


def few_photos() -> CalibrationSet:
    photos = shipped_set()
    columns = (photos.photos, photos.captions, photos.kinds)
    fewer = photos.with_photos("samples.tsv", *(column[::PHOTO_STEP] for column in columns))
    return replace(fewer, labels=photos.labels[::LABEL_STEP])


def without_fit(_: object, test: calibrator.RetrievalFigures, *__: object) -> calibrator.Outcome:
    return calibrator.Outcome(test, None)


if __name__ == "__main__":
    calibrator.Calibrator._fit = without_fit  # type: ignore[method-assign, assignment]
    for module in (install, calibration):
        module.shipped_set = few_photos  # type: ignore[attr-defined]
    sys.argv[0] = "imagesearch"
    cli.main()
