"""Claims, in a real terminal: a table fits it, names link to files, and shells complete names."""

import os
import pty
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from rich.cells import cell_len

from tests.support.images.drawings import drawing
from tests.support.images.unusual_images import HEIC
from tests.support.waiting import PATIENCE_SECONDS

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("imagesearch"))
COLUMNS = 50
Terminal = Callable[..., tuple[int, str]]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """Runs `imagesearch` on a pseudo-terminal of 50 columns; returns its status and output.

    The output has stderr only with `all_output`.
    """

    def run(*arguments: str, all_output: bool = False, **environment: str) -> tuple[int, str]:
        leader, follower = pty.openpty()
        ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        settings = {"IMAGESEARCH_DATA_DIR": str(tmp_path / "data"), "TERM": "xterm-256color"}
        # The variable would override the width of the terminal.
        inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        process = subprocess.Popen(
            [COMMAND, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=follower if all_output else subprocess.DEVNULL,
            cwd=tmp_path,
            env=inherited | settings | environment,
        )
        os.close(follower)
        output = b""
        with suppress(OSError):  # EIO: the process has closed the terminal
            while part := os.read(leader, 65_536):
                output += part
        os.close(leader)
        return process.wait(), output.decode()

    return run


def test_a_table_fits_the_terminal_and_links_to_the_files(terminal: Terminal, folder: Path) -> None:
    deep = folder / "holidays in the mountains" / "second week" / "red wall at noon.png"
    deep.parent.mkdir(parents=True)
    Image.new("RGB", (64, 64), "red").save(deep)
    assert terminal("index", str(folder))[0] == 0
    status, text = terminal("search", "red", "--all")
    assert status == 0
    assert deep.as_uri() in text
    plain = re.sub(r"\x1b\]8;.*?\x1b\\|\x1b\[[0-9;]*m", "", text).splitlines()
    assert len(plain) == 2
    assert plain[1].rstrip().endswith("/red wall at noon.png")
    assert max(map(cell_len, plain)) <= COLUMNS
    assert "…" in plain[1]
    assert terminal("search", "red", "--all", TERM="dumb")[1].count("\x1b") == 0


class Shell:
    """An interactive shell on a pseudo-terminal, in a home directory of its own."""

    def __init__(self, program: str, home: Path) -> None:
        # The prompt ends a line only when the shell waits for input.
        (home / ".zshrc").touch()
        variables = {
            "HOME": str(home),
            "PATH": f"{Path(COMMAND).parent}:/usr/bin:/bin",
            "TERM": "dumb",
            "IMAGESEARCH_DATA_DIR": str(home / ".imagesearch"),
            "PROMPT_COMMAND": "PS1='ready> '",
            "PROMPT": "ready> ",
            "LANG": "C.UTF-8",
        }
        self._pid, self._terminal = pty.fork()
        if self._pid == 0:
            os.chdir(home)
            os.execve(program, [program, "-i"], variables)  # noqa: S606
        self.until(r"ready> (\x1b\[\?2004h)?$")

    def until(self, pattern: str) -> None:
        """Read the output until the text after the last call matches."""
        text = ""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not re.search(pattern, text):
            assert time.monotonic() < deadline, text
            if select.select([self._terminal], [], [], 1)[0]:
                text += os.read(self._terminal, 65_536).decode(errors="replace")

    def type(self, keys: str) -> None:
        os.write(self._terminal, keys.encode())

    def close(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.close(self._terminal)
        os.waitpid(self._pid, 0)


@pytest.mark.parametrize("program", ["bash", "zsh"])
def test_an_installed_completion_completes_commands_models_and_label_sets(
    program: str, run: Run, folder: Path, tmp_path: Path
) -> None:
    found = shutil.which(program)
    if not found:
        pytest.skip(f"{program} is not installed")
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    (tmp_path / "colors.txt").write_text("red\nblue\n")
    run("index", str(folder))
    run("labels", "put", "primary-colors", "colors.txt")
    shell = Shell(found, tmp_path)
    shell.type("imagesearch --install-completion\r")
    shell.until("completion installed")
    shell.close()
    shell = Shell(found, tmp_path)
    if program == "zsh":  # the script of typer: the first Tab of a session loads the completion
        shell.type("imagesearch dupl\t")
        shell.until("\x07")
        shell.type("\x15")
    for words, completed in (
        ("dupl", "duplicates "),
        ("models verify st", "starter "),
        ("classify x.png --labelset prim", "primary-colors "),
    ):
        shell.type(f"imagesearch {words}\t")
        shell.until(completed)
        shell.type("\x15")  # Ctrl-U deletes the line
    shell.close()


LOGGING = """
import logging, sys
from local.cli import main
sys.argv = ["imagesearch", "status"]
try:
    main()
except SystemExit:
    logging.getLogger("waitress.queue").warning("Task queue depth is 1")
    logging.getLogger("local.sync.watcher").warning("own warning")
"""


def test_libraries_print_no_warnings_on_the_terminal(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOGGING],
        capture_output=True,
        text=True,
        env=os.environ | {"IMAGESEARCH_DATA_DIR": str(tmp_path)},
    )
    assert done.stderr.splitlines()[-1] == "own warning"
    assert "queue depth" not in done.stderr


def test_the_terminal_shows_only_the_lines_of_the_command(terminal: Terminal, folder: Path) -> None:
    """libtiff, libpng, libjpeg, libheif and Pillow warn of these files."""
    large_text = PngInfo()
    large_text.add_text("Comment", "x" * 20_000_000, zip=True)
    for name, options in (
        ("text.png", {"pnginfo": large_text}),
        ("profile.png", {"icc_profile": b"not a profile"}),
        ("tags.tif", {"tiffinfo": {65_000: "x"}, "compression": "tiff_lzw"}),
        ("damaged.tif", {"compression": "tiff_deflate"}),
        ("damaged.jpg", {}),
    ):
        drawing(len(name)).save(folder / name, **options)
        if name.startswith("damaged"):
            data = (folder / name).read_bytes()
            (folder / name).write_bytes(data[:600] + bytes(300) + data[900:])
    for name in ("quadrants.heic", "kills-libheif-1.23.0.heic"):
        data = (HEIC / name).read_bytes()
        (folder / name).write_bytes(data[:-200] + bytes(200))
    own = r"imagesearch: .*|rejected \S+: .*|\d+ indexed, .*|relevance +score +key|[01]\.\d\d +.*|"
    for arguments, shown in (
        (("index", str(folder)), "rejected kills-libheif"),
        (("search", "--image", str(folder / "tags.tif"), "--all"), "tags.tif"),
    ):
        text = terminal(*arguments, all_output=True, TERM="dumb")[1]
        assert shown in text
        for line in text.splitlines():
            assert re.fullmatch(own, line.rstrip()), text


def test_a_preview_shows_the_images_in_the_terminal(terminal: Terminal, folder: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    terminal("index", str(folder))
    status, text = terminal("search", "red", "--all", "--preview")
    assert (status, "red.png" in text) == (0, True)
    # Half blocks in the 256 colors of the terminal: 196 is red.
    assert "\x1b[38;5;196;48;5;196m▀" in text
