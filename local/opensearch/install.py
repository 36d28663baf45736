"""A minimal OpenSearch with k-NN: downloaded once from Maven Central and verified."""

import hashlib
import os
import shutil
import subprocess
import tempfile
import zipfile
from pathlib import Path

COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy"
SERVER = "org.opensearch.distribution.integ-test-zip:opensearch:{version}:zip"
PLUGIN = "org.opensearch.plugin:opensearch-knn:{version}.0:zip"
# SHA-256 of the zip files of the server and the plugin.
HASHES = {
    "3.5.0": (
        "b676ad392c95a94d8d2bd8785b8b922c7811536daf6a9ec0c7277a34bd8a17a9",
        "99fdf3ac9ef95974e276298b83a58532bf21ba13bd5fd96a4b59465b7e613309",
    ),
    "3.3.0": (
        "c3a6bf825ea05b8d9fe3758dad70ed198cf9c365700895165d310a0a9e7f48a5",
        "f331324e6cb3a99f780579eec751b1e3ac38ffdd1c7d8ec82247e7584f06b3d3",
    ),
}
SCRIPTS = "lang-painless"
FETCH_SECONDS = 900


class CannotStart(Exception):
    """OpenSearch cannot start; the message gives the cause and the correction."""


def unpacked(version: str) -> Path:
    """The server's folder; the first call downloads about 200 MB. Raises CannotStart."""
    if version not in HASHES:
        raise CannotStart(f"OpenSearch {version} has no recorded SHA-256, only {', '.join(HASHES)}")
    cache = _cache_folder()
    home = cache / f"opensearch-{version}"
    if not home.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as work:
            # The first of several processes wins; no process sees an incomplete folder.
            try:
                _make(version, Path(work)).rename(home)
            except OSError:
                if not home.is_dir():
                    raise
    return home


def _cache_folder() -> Path:
    """A folder in the system's temporary folder, which the user of the server can read."""
    folder = Path(tempfile.gettempdir()) / f"imagesearch-opensearch-{os.getuid()}"
    folder.mkdir(mode=0o755, exist_ok=True)
    if folder.is_symlink() or folder.stat().st_uid != os.getuid():
        raise CannotStart(f"{folder} belongs to another user: remove it")
    folder.chmod(0o755)
    return folder


def _make(version: str, work: Path) -> Path:
    server_hash, plugin_hash = HASHES[version]
    _unzip(_fetch(SERVER.format(version=version), server_hash, work), work)
    home = work / f"opensearch-{version}"
    plugin = home / "plugins" / "opensearch-knn"
    _unzip(_fetch(PLUGIN.format(version=version), plugin_hash, work), plugin)
    if not (home / "modules" / SCRIPTS).is_dir():
        _drop_scripts(plugin / "plugin-descriptor.properties")
    for path in (home, *home.rglob("*")):
        path.chmod(0o755 if path.is_dir() or path.parent.name == "bin" else 0o644)
    return home


def _drop_scripts(descriptor: Path) -> None:
    """Drop the dependency on the script engine, which the zip of 3.3.0 lacks and no query uses."""
    descriptor.write_text(descriptor.read_text().replace(f"{SCRIPTS},", ""))


def _fetch(artifact: str, sha256: str, folder: Path) -> Path:
    maven = shutil.which("mvn")
    if maven is None:
        raise CannotStart("OpenSearch is downloaded with Maven: install it (`mvn` on PATH)")
    command = [maven, "-B", "-q", COPY, f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    done = subprocess.run(  # noqa: S603
        command, cwd=folder, capture_output=True, text=True, timeout=FETCH_SECONDS
    )
    if done.returncode:
        raise CannotStart(f"Maven cannot download {artifact}:\n{done.stdout[-2000:]}")
    _, name, number, kind = artifact.split(":")
    path = folder / f"{name}-{number}.{kind}"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != sha256:
        raise CannotStart(f"{artifact} has the SHA-256 {digest}, not the pinned {sha256}")
    return path


def _unzip(path: Path, folder: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    path.unlink()
