"""Write the layers of a build as ZIP files, and the SHA-256 of all files of a release.

Entries are sorted and have the first date of a ZIP file, so that equal files give equal archives.
"""

import hashlib
import sys
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

LAYERS = {"ImageSearchLayer": "imagesearch-layer", "StarterModelLayer": "imagesearch-starter-model"}
SUMS = "SHA256SUMS"
FIRST_DATE = (1980, 1, 1, 0, 0, 0)


def write_zip(folder: Path, target: Path) -> None:
    """Archive the files of a folder, with their executable bits."""
    with ZipFile(target, "w", ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = ZipInfo(path.relative_to(folder).as_posix(), FIRST_DATE)
            entry.compress_type = ZIP_DEFLATED
            mode = 0o755 if path.stat().st_mode & 0o100 else 0o644
            entry.external_attr = (0o100000 | mode) << 16
            archive.writestr(entry, path.read_bytes())


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of each file of a folder, in the format of `sha256sum --check`."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != SUMS)
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (folder / SUMS).write_text("".join(lines), "utf-8")


def main(build: Path, folder: Path) -> None:
    for layer, name in LAYERS.items():
        write_zip(_content(build, layer), folder / f"{name}.zip")
    write_sums(folder)


def _content(build: Path, layer: str) -> Path:
    """The files of a layer: SAM does not copy a layer that it does not build."""
    built = build / layer
    return built if built.is_dir() else Path("layers/starter_model")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
