"""Claims, in a real terminal: a table fits it, names link to files, and shells complete names."""

import os
import pty
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from fcntl import ioctl
from pathlib import Path
from termios import TIOCSWINSZ

import pytest
from PIL import Image
from rich.cells import cell_len

pytestmark = pytest.mark.slow

COMMAND = str(Path(sys.executable).with_name("imagesearch"))
COLUMNS = 50
Terminal = Callable[..., tuple[int, str]]


@pytest.fixture
def terminal(tmp_path: Path) -> Terminal:
    """Runs `imagesearch` on a pseudo-terminal of 50 columns; returns its status and output."""

    def run(*arguments: str, **environment: str) -> tuple[int, str]:
        leader, follower = pty.openpty()
        ioctl(follower, TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        settings = {"IMAGESEARCH_DATA_DIR": str(tmp_path / "data"), "TERM": "xterm-256color"}
        # The variable would override the width of the terminal.
        inherited = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
        process = subprocess.Popen(
            [COMMAND, *arguments],
            stdin=follower,
            stdout=follower,
            stderr=subprocess.DEVNULL,
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
    status, text = terminal("search", "red")
    assert status == 0
    assert deep.as_uri() in text
    plain = re.sub(r"\x1b\]8;.*?\x1b\\|\x1b\[[0-9;]*m", "", text).splitlines()
    assert len(plain) == 2
    assert plain[1].rstrip().endswith("/red wall at noon.png")
    assert max(map(cell_len, plain)) <= COLUMNS
    assert "…" in plain[1]
    assert terminal("search", "red", TERM="dumb")[1].count("\x1b") == 0


def test_a_shell_completes_commands_and_models(terminal: Terminal) -> None:
    def completed(words: str) -> list[str]:
        count = str(len(words.split(" ")) - 1)
        return terminal(_IMAGESEARCH_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=count)[
            1
        ].split()

    assert completed("imagesearch dup") == ["duplicates"]
    assert completed("imagesearch models verify st") == ["starter"]
    status, script = terminal("--show-completion", SHELL="/bin/bash")
    assert (status, "complete" in script) == (0, True)


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


def test_a_preview_shows_the_images_in_the_terminal(terminal: Terminal, folder: Path) -> None:
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    terminal("index", str(folder))
    status, text = terminal("search", "red", "--preview")
    assert (status, "red.png" in text) == (0, True)
    # Half blocks in the 256 colors of the terminal: 196 is red.
    assert "\x1b[38;5;196;48;5;196m▀" in text
