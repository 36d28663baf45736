"""The licenses of all that ships: packages, libraries in their wheels, models, photos and data.

The packages are those of the lock files; their licenses are read from the installed metadata. A
package with a license that is not in SPDX fails here, so that a person reads it first.
"""

import csv
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, distributions
from pathlib import Path

from docs.reference_pages.markdown import table
from docs.reference_pages.sources import ROOT, read_text

LAYER, LOCAL = "layers/imagesearch/requirements.txt", "requirements/run.txt"
CATALOG = "layers/imagesearch/imagesearch/embedding/catalog"
CALIBRATION = "layers/imagesearch/imagesearch/calibration/data/photos.tsv"

# The metadata of these says less than their license files, or they are of another platform.
REVIEWED = {
    "colorama": "BSD-3-Clause",
    "pi-heif": "LGPL-3.0-only",  # binary wheels, because of libheif
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
}
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "Apache-2.0": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD-3-Clause": "BSD-3-Clause",
    "ISC License": "ISC",
    "MIT": "MIT",
    "MIT License": "MIT",
    "MPL-2.0": "MPL-2.0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "ZPL 2.1": "ZPL-2.1",
}
GCC = "GPL-3.0-or-later WITH GCC-exception-3.1"
# Native libraries in wheels, from the license files of the wheels. tests/unit/test_docs.py compares
# them with the shared objects.
BUNDLED: dict[str, dict[str, str]] = {
    "numpy": {"libscipy_openblas": "BSD-3-Clause", "libgfortran": GCC, "libquadmath": "LGPL-2.1"},
    "onnxruntime": {"onnxruntime (ThirdPartyNotices.txt)": "MIT and others"},
    "pi-heif": {"libheif": "LGPL-3.0", "libde265": "LGPL-3.0"},
    "pillow": {
        "libavif": "BSD-2-Clause",
        "libbrotli": "MIT",
        "libfreetype": "FTL",
        "libharfbuzz": "MIT",
        "libjpeg": "IJG AND BSD-3-Clause",
        "liblcms2": "MIT",
        "liblzma": "0BSD",
        "libopenjp2": "BSD-2-Clause",
        "libpng16": "libpng-2.0",
        "libsharpyuv": "BSD-3-Clause",
        "libtiff": "libtiff",
        "libwebp": "BSD-3-Clause",
        "libXau": "MIT",
        "libxcb": "MIT",
        "libzstd": "BSD-3-Clause",
    },
    "pillow-jxl-plugin": {"libjxl": "BSD-3-Clause"},
    "rawpy": {
        "libraw": "LGPL-2.1 OR CDDL-1.0",
        "libjasper": "JasPer-2.0",
        "libjpeg": "IJG AND BSD-3-Clause",
        "liblcms2": "MIT",
        "libgomp": GCC,
    },
}
# Data in the package and its layers, with the file that states the terms.
DATA = (
    ("labels of ImageNet, from WordNet 3.0", "WordNet-3.0", "calibration/data/NOTICE"),
    ("query words, from Unicode CLDR 48", "Unicode-3.0", "search/data/NOTICE"),
)
INTRODUCTION = """\
The code is under the [Apache License 2.0](../../LICENSE). It uses the packages, models and data
below, each under its own license. `make sbom` writes packages and models as CycloneDX documents.
""".splitlines()
OF_PACKAGES = """\
The layer and the local install are built from these pinned packages; boto3 and what it needs are
part of Lambda's runtime.
""".splitlines()
COPYLEFT = """\
`pillow-jxl-plugin` is under the GPL. This repository does not contain it, and its use on your
machines or in your account has no conditions. A built layer, or an image of the `Dockerfile`, that
you pass on is under the terms of the GPL 3, with which the Apache License is compatible. To avoid
that, remove it from `pyproject.toml` and the lock files; JPEG XL files are then rejected. The LGPL
of libheif, libde265 and LibRaw requires that they can be replaced: they are shared libraries.
""".splitlines()
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Package:
    """A pinned package; `license` is an SPDX expression."""

    name: str
    version: str
    license: str
    in_layer: bool


def packages() -> list[Package]:
    """The packages of the local install; those of the layer are among them.

    Raises LookupError for a package without a license that is known, or that is not installed.
    """
    layer = {name for name, _ in pins(LAYER)}
    return [
        Package(name, version, _license(name, version), name in layer)
        for name, version in pins(LOCAL)
    ]


def pins(path: str) -> list[tuple[str, str]]:
    return _PIN.findall(read_text(path))


@cache
def _installed() -> dict[str, Distribution]:
    """The distributions of the local install, which another interpreter may read, too."""
    return {re.sub("[-_.]+", "-", each.name).lower(): each for each in distributions(path=_path())}


def _path() -> list[str]:
    return [str(each) for each in (ROOT / ".venv").glob("lib/python3.*/site-packages")] or sys.path


def _license(name: str, version: str) -> str:
    if known := REVIEWED.get(name):
        return known
    found = _installed().get(name)
    if found is None or found.version != version:
        raise LookupError(f"{name} {version} is not installed: make setup-test")
    fields = found.metadata.json
    if expression := fields.get("license_expression"):
        return str(expression)
    classifiers = [str(each).split(" :: ")[-1] for each in fields.get("classifier", ())]
    for text in (str(fields.get("license", "")), *classifiers):
        if text in SPDX:
            return SPDX[text]
    raise LookupError(f"{name} {version} has no license of SPDX: read it, and add it to REVIEWED")


def models() -> list[tuple[str, str, bool]]:
    """Name, license, and whether the model ships; the others are downloaded on demand."""
    manifests = [("layers/starter_model/starter_model/manifest.json", True)]
    manifests += [(str(path.relative_to(ROOT)), False) for path in _catalog()]
    found = []
    for path, ships in manifests:
        content = json.loads(read_text(path))
        manifest = content if ships else content["manifest"]
        found.append((manifest["name"], manifest["license"], ships))
    return found


def _catalog() -> list[Path]:
    return sorted((ROOT / CATALOG).glob("*.json"))


def photos(path: str) -> Counter[str]:
    """The number of photos by license, from a table with a column `license`."""
    rows = csv.DictReader(read_text(path).splitlines(), delimiter="\t")
    return Counter(row["license"] for row in rows)


def licenses() -> Iterator[str]:
    yield from ("# Licenses", "", *INTRODUCTION, "", "## Packages", "", *OF_PACKAGES, "")
    rows = [
        (each.name, each.version, each.license, "yes" if each.in_layer else "")
        for each in packages()
    ]
    yield from table(("package", "version", "license (SPDX)", "in the layer"), rows)
    yield from COPYLEFT
    yield from ("", "## Native libraries in the wheels", "")
    yield "From the license files of the wheels for Linux."
    yield ""
    yield from table(
        ("package", "library", "license"),
        [
            (name, each, terms)
            for name, libraries in BUNDLED.items()
            for each, terms in libraries.items()
        ],
    )
    yield from ("## Models", "")
    yield from table(
        ("model", "license", "ships"),
        [
            (name, terms, "yes" if ships else "downloaded on demand")
            for name, terms, ships in models()
        ],
    )
    yield from ("## Photos and data", "")
    yield from table(
        ("what", "license", "stated in"),
        [
            *(
                (f"{number} {what}", terms, f"`{path}`")
                for what, path in (
                    ("sample photos, in the repository", "samples/samples.tsv"),
                    ("photos of the self-test, in the layer", CALIBRATION),
                )
                for terms, number in photos(path).items()
            ),
            *(
                (what, terms, f"`layers/imagesearch/imagesearch/{path}`")
                for what, terms, path in DATA
            ),
            (
                "starter model: parts and their authors",
                "Apache-2.0 and MIT",
                "`layers/starter_model/starter_model/NOTICE`",
            ),
        ],
    )
