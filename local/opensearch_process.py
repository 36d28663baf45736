"""The commands that run OpenSearch: as a process of this machine, or as a container."""

import ctypes
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from local.java_home import find_java_home
from local.opensearch_install import CannotStart, unpacked

OLDEST_JAVA = 21
HEAP = "-Xms512m -Xmx512m"
# For a server that lives for minutes: to compile its code further takes longer than it saves.
SHORT_LIVED = "-XX:TieredStopAtLevel=1"
# The server refuses to run as root.
UNPRIVILEGED = "nobody"
IMAGE = "opensearchproject/opensearch"
PR_SET_PDEATHSIG = 1
SETTINGS = {
    "discovery.type": "single-node",
    # A write to a missing index must fail: made on the fly, it would have a wrong mapping.
    "action.auto_create_index": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""


def start(
    version: str, port: int, folder: Path, log: Path, java_options: str = ""
) -> "subprocess.Popen[bytes]":
    """Start a server on the files in `folder`; in Docker they end with it. Raises CannotStart."""
    java_options = f"{HEAP} {java_options}".strip()
    java = find_java_home(OLDEST_JAVA) if shutil.which("mvn") else None
    if java:
        return _start_java(unpacked(version), java, port, folder, log, java_options)
    if _docker_runs():
        return run(_docker_command(version, port, java_options), dict(os.environ), log, user=None)
    raise CannotStart(
        f"OpenSearch needs Java {OLDEST_JAVA} or newer (JAVA_HOME) and Maven (`mvn` on PATH),"
        " or Docker with its engine running; or set OPENSEARCH_URL to a server that is there"
    )


def _start_java(
    home: Path, java: Path, port: int, folder: Path, log: Path, java_options: str
) -> "subprocess.Popen[bytes]":
    _configure(home, port, folder)
    user = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
    if user:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, user.pw_uid, user.pw_gid)
    environment = {
        "PATH": os.environ.get("PATH", os.defpath),
        "OPENSEARCH_JAVA_HOME": str(java),
        "OPENSEARCH_JAVA_OPTS": java_options,
        "OPENSEARCH_PATH_CONF": str(folder / "config"),
        "OPENSEARCH_TMPDIR": str(folder),
    }
    return run(["bash", str(home / "bin" / "opensearch")], environment, log, user)


def _configure(home: Path, port: int, folder: Path) -> None:
    """The distribution's configuration, with every file that it writes put into `folder`."""
    config = folder / "config"
    shutil.copytree(home / "config", config, dirs_exist_ok=True)
    settings = {
        **SETTINGS,
        "network.host": "127.0.0.1",
        "http.port": str(port),
        "transport.port": "0",
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
    }
    lines = [f'{name}: "{value}"\n' for name, value in settings.items()]
    (config / "opensearch.yml").write_text("".join(lines))
    (config / "log4j2.properties").write_text(LOGGING)
    options = config / "jvm.options"
    kept = [line for line in options.read_text().splitlines() if "=logs/" not in line]
    options.write_text("\n".join(kept) + "\n")


def _docker_runs() -> bool:
    docker = shutil.which("docker")
    if docker is None:
        return False
    return subprocess.run([docker, "info"], capture_output=True).returncode == 0  # noqa: S603


def _docker_command(version: str, port: int, java_options: str) -> list[str]:
    settings = {
        **SETTINGS,
        "DISABLE_SECURITY_PLUGIN": "true",
        "OPENSEARCH_JAVA_OPTS": java_options,
    }
    flags = [part for item in settings.items() for part in ("--env", "=".join(item))]
    publish = ["--publish", f"127.0.0.1:{port}:9200"]
    return ["docker", "run", "--rm", *publish, *flags, f"{IMAGE}:{version}"]


def run(
    command: list[str],
    environment: Mapping[str, str],
    log: Path,
    user: pwd.struct_passwd | None,
) -> "subprocess.Popen[bytes]":
    """Start a command in a session of its own, so that Ctrl-C reaches only who waits for it."""
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            user=user.pw_uid if user else None,
            group=user.pw_gid if user else None,
            extra_groups=[] if user else None,
            start_new_session=True,
            preexec_fn=_end_with_parent(),
        )


def _end_with_parent() -> Callable[[], object] | None:
    """On Linux, even a parent that is killed takes the server with it."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
