"""Finds a Java that is new enough."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

# A Java virtual machine starts in a second; on a machine that is very busy, in a minute.
VERSION_SECONDS = 300
# Where Linux distributions and macOS put them.
FOLDERS = (Path("/usr/lib/jvm"), Path("/opt/java"), Path("/Library/Java/JavaVirtualMachines"))


def find_java_home(oldest: int, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The folder of a Java of the major version `oldest` or newer; None when there is none."""
    return next((home for home in _candidates(environ) if _major_version(home) >= oldest), None)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("JAVA_HOME"):
        yield Path(named)
    if on_path := shutil.which("java", path=environ.get("PATH")):
        yield Path(on_path).resolve().parent.parent
    for folder in FOLDERS:
        for found in sorted(folder.glob("*/bin/java")) + sorted(folder.glob("*/*/*/bin/java")):
            yield found.parent.parent


def _major_version(home: Path) -> int:
    """What `java -version` says, as in `openjdk version "21.0.2"`; 0 where it cannot be run."""
    try:
        said = subprocess.run(  # noqa: S603
            [home / "bin" / "java", "-version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r'version "(\d+)', said)
    return int(version[1]) if version else 0
