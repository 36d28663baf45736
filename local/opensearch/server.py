"""An OpenSearch server on this machine, for tests and trials: with Java, or else with Docker.

`python -m local.opensearch.server` prints its URL and runs until Ctrl-C.
"""

import argparse
import ctypes
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from local.opensearch.install import HASHES, CannotStart, unpacked

if TYPE_CHECKING:
    import pwd

# A Java virtual machine starts within a second, or within minutes on a busy machine.
VERSION_SECONDS = 300
# Locations of Java on Linux distributions and macOS.
FOLDERS = (Path("/usr/lib/jvm"), Path("/opt/java"), Path("/Library/Java/JavaVirtualMachines"))
MIN_JAVA_VERSION = 21
HEAP = "-Xms512m -Xmx512m"
# For a server that runs for minutes: the optimizing compiler takes longer than it saves.
SHORT_LIVED = "-XX:TieredStopAtLevel=1"
# OpenSearch does not run as root.
UNPRIVILEGED = "nobody"
IMAGE = "opensearchproject/opensearch"
PR_SET_PDEATHSIG = 1
SETTINGS = {
    "discovery.type": "single-node",
    # A write to a missing index must fail: OpenSearch would create it with a wrong mapping.
    "action.auto_create_index": "false",
    # As for the domain on AWS, whose access policies see the path of a request, not its body.
    "rest.action.multi.allow_explicit_index": "false",
    "cluster.routing.allocation.disk.threshold_enabled": "false",
}
NO_SETTINGS: Mapping[str, str] = {}
LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%-25c{1.}] %m%n
rootLogger.level = info
rootLogger.appenderRef.console.ref = console
"""
VERSION = "3.5.0"
# Time without a new line in the log: a busy machine takes minutes.
SILENT_SECONDS = 300.0
STOP_SECONDS = 30.0
LOG_TAIL = 3000


def find_java_home(oldest: int, environ: Mapping[str, str] = os.environ) -> Path | None:
    """The home of a Java of major version `oldest` or newer, or None."""
    return next((home for home in _candidates(environ) if _major_version(home) >= oldest), None)


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if named := environ.get("JAVA_HOME"):
        yield Path(named)
    if on_path := shutil.which("java", path=environ.get("PATH")):
        yield Path(on_path).resolve().parent.parent
    for folder in FOLDERS:
        for java in sorted(folder.glob("*/bin/java")) + sorted(folder.glob("*/*/*/bin/java")):
            yield java.parent.parent


def _major_version(home: Path) -> int:
    """The major version that `java -version` prints, such as 21 for "21.0.2"; 0 if it fails."""
    try:
        output = subprocess.run(  # noqa: S603
            [home / "bin" / "java", "-version"],
            capture_output=True,
            text=True,
            timeout=VERSION_SECONDS,
        ).stderr
    except (OSError, subprocess.TimeoutExpired):
        return 0
    version = re.search(r'version "(\d+)', output)
    return int(version[1]) if version else 0


def start(
    version: str,
    port: int,
    folder: Path,
    log: Path,
    java_options: str = "",
    settings: Mapping[str, str] = NO_SETTINGS,
) -> "subprocess.Popen[bytes]":
    """Start a server on the files in `folder`; in Docker they end with it. Raises CannotStart.

    `settings` replace those of a single node; nodes of a cluster need Java.
    """
    java_options = f"{HEAP} {java_options}".strip()
    java = find_java_home(MIN_JAVA_VERSION) if shutil.which("mvn") else None
    if java:
        return _start_java(unpacked(version), java, port, folder, log, java_options, settings)
    if _docker_runs() and not settings:
        return run(_docker_command(version, port, java_options), dict(os.environ), log, user=None)
    raise CannotStart(
        f"OpenSearch needs Java {MIN_JAVA_VERSION} or newer (JAVA_HOME) and Maven (`mvn` on PATH),"
        " or Docker with its engine running; or set OPENSEARCH_URL to a running server"
    )


def _start_java(
    home: Path,
    java: Path,
    port: int,
    folder: Path,
    log: Path,
    java_options: str,
    settings: Mapping[str, str],
) -> "subprocess.Popen[bytes]":
    _configure(home, port, folder, settings)
    user = _unprivileged()
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


def _unprivileged() -> "pwd.struct_passwd | None":
    """The user to run OpenSearch as; None: the one of this process."""
    if os.geteuid() != 0:
        return None
    import pwd

    return pwd.getpwnam(UNPRIVILEGED)


def _configure(home: Path, port: int, folder: Path, more: Mapping[str, str]) -> None:
    """Write the distribution's configuration with every output file below `folder`."""
    config = folder / "config"
    shutil.copytree(home / "config", config, dirs_exist_ok=True)
    settings = {
        **SETTINGS,
        "network.host": "127.0.0.1",
        "http.port": str(port),
        "transport.port": "0",
        "path.data": str(folder / "data"),
        "path.logs": str(folder / "logs"),
        **more,
    }
    lines = [f'{name}: "{value}"\n' for name, value in settings.items()]
    (config / "opensearch.yml").write_text("".join(lines))
    (config / "log4j2.properties").write_text(LOGGING)
    options = config / "jvm.options"
    jvm_options = [line for line in options.read_text().splitlines() if "=logs/" not in line]
    options.write_text("\n".join(jvm_options) + "\n")


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
    user: "pwd.struct_passwd | None",
) -> "subprocess.Popen[bytes]":
    """Start a command in its own session, so that Ctrl-C reaches only the parent."""
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
    """On Linux, the server ends with its parent even if that is killed."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


class OpenSearchServer:
    """A server with a data folder and a port, which it keeps over a restart."""

    def __init__(
        self,
        folder: Path,
        version: str = VERSION,
        port: int = 0,
        java_options: str = "",
        settings: Mapping[str, str] = NO_SETTINGS,
    ) -> None:
        """`settings` replace those of a single node."""
        self.folder = folder
        self._version = version
        self._java_options = java_options
        self._settings = settings
        self._port = port or free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self.url = f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        """Start the server, and wait until it responds. Raises CannotStart."""
        log = self.folder / "server.log"
        self._process = start(
            self._version, self._port, self.folder, log, self._java_options, self._settings
        )
        _wait_until_ready(self.url, self._process, log)

    @property
    def runs(self) -> bool:
        """True while the process is alive."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Terminate the server in order."""
        if self._process:
            _stop(self._process)

    def kill(self) -> None:
        """Kill the server, as a failing machine does: it cannot save anything."""
        if self._process:
            self._process.kill()
            self._process.wait()


@contextmanager
def running_server(
    version: str = VERSION, port: int = 0, java_options: str = "", parent: Path | None = None
) -> Iterator[str]:
    """The URL of a new, empty server; port 0 takes a free one. Raises CannotStart.

    `parent` is the directory of its files; the default is the system's temporary directory.
    """
    folder = Path(tempfile.mkdtemp(prefix="imagesearch-opensearch-run-", dir=parent))
    server = OpenSearchServer(folder, version, port, java_options)
    try:
        server.start()
        yield server.url
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    """A TCP port of this machine that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    log_size, changed = 0, time.monotonic()
    while not _responds(url):
        if (size := log.stat().st_size) != log_size:
            log_size, changed = size, time.monotonic()
        if process.poll() is not None or time.monotonic() - changed > SILENT_SECONDS:
            tail = log.read_text(errors="replace")[-LOG_TAIL:]
            raise CannotStart(f"OpenSearch did not start at {url}; its log ends with:\n{tail}")
        time.sleep(0.2)


def _responds(url: str) -> bool:
    try:
        health = f"{url}/_cluster/health?wait_for_status=yellow&timeout=1s"
        with urllib.request.urlopen(health, timeout=5) as response:  # noqa: S310
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def main() -> int:
    parser = argparse.ArgumentParser(description="Run OpenSearch until Ctrl-C.")
    parser.add_argument(
        "--port", type=int, default=0, help="port to listen on (default: a free one)"
    )
    parser.add_argument("--version", choices=sorted(HASHES), default=VERSION)
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with running_server(arguments.version, arguments.port) as url:
            print(url, flush=True)  # noqa: T201
            signal.pause()
    except CannotStart as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
