"""Claims: paths in tables are shortened in their middle and never broken; pipes get them whole."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from local.terminal.tables import PathCell, print_table, shortened

PATH = "2019/holidays in the mountains/beach/rex on the beach.jpg"
# OSC 8: https://gist.github.com/egmontkob/eb114294efbcd5adb1944c9f3cb5feda
LINK = re.compile(r"\x1b\]8;[^;]*;(?P<url>[^\x1b]*)\x1b\\(?P<text>.*?)\x1b\]8;;\x1b\\")


@given(st.text(alphabet="aä日🐼/. ", min_size=1), st.integers(8, 60))
def test_a_shortened_path_fits_and_keeps_its_end(path: str, width: int) -> None:
    found = shortened(path, width)
    assert cell_len(found) <= width
    head, cut, tail = found.partition("…")
    if cut:
        assert path.startswith(head)
        assert path.endswith(tail)
    else:
        assert found == path


def test_the_file_name_is_kept_as_long_as_it_fits() -> None:
    for width in range(len("rex on the beach.jpg") + 2, len(PATH)):
        assert shortened(PATH, width).endswith("/rex on the beach.jpg")
    assert shortened(PATH, 14) == "2019/ho…ch.jpg"


def printed(width: int, rows: list[list[str | PathCell]]) -> str:
    console = Console(force_terminal=True, width=width, highlight=False, color_system="truecolor")
    with console.capture() as capture:
        print_table(["score", "key"], rows, console)
    return capture.get()


@pytest.mark.parametrize("width", [20, 40, 80])
def test_a_row_takes_one_line_of_a_terminal_and_links_to_its_file(width: int) -> None:
    text = printed(width, [["0.123", PathCell(PATH, "file:///2019/rex.jpg")]])
    found = LINK.search(text)
    assert found
    assert found["url"] == "file:///2019/rex.jpg"
    plain = re.sub(r"\x1b\[[0-9;]*m", "", LINK.sub(lambda link: link["text"], text))
    lines = plain.splitlines()
    assert len(lines) == 2
    assert all(cell_len(line.rstrip()) <= width for line in lines)


def test_a_terminal_gets_no_control_characters_and_no_markup_of_names() -> None:
    text = printed(80, [["0.1", PathCell("[red]\x1b[2Ja.png")], ["0.2", PathCell("b\nc.png")]])
    assert "[red]\ufffd[2Ja.png" in text
    assert "b\ufffdc.png" in text


def test_a_pipe_gets_whole_paths_in_tab_separated_columns(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(["score", "key"], [["0.123", PathCell(PATH * 5)], ["1", "two\nlines"]])
    assert capsys.readouterr().out == f"0.123\t{PATH * 5}\n1\ttwo lines\n"


@pytest.mark.parametrize("width", [60, 70, 80])
def test_a_long_text_is_not_wrapped_into_a_narrow_column(width: int) -> None:
    text = "photos and English queries, with the smallest download of all models that are listed"
    console = Console(force_terminal=True, width=width, highlight=False, color_system=None)
    with console.capture() as capture:
        headings = ["model", "size", "license", "good for"]
        rows = [["clip-vit-b-32-datacomp\navailable", "608 MB", "MIT; Apache-2.0", text]] * 2
        print_table(headings, rows, console)
    lines = capture.get().splitlines()
    assert len(lines) <= 2 * 9
    assert all(word in capture.get() for word in text.split())
    assert max(map(cell_len, lines)) <= width


def test_paths_among_other_values_are_not_broken() -> None:
    url = "file:///2019/rex.jpg"
    text = printed(
        40, [["0.1", "a text that is longer than a line of it"], ["0.2", PathCell(PATH, url)]]
    )
    found = LINK.search(text)
    assert found
    assert found["text"].strip().endswith("/rex on the beach.jpg")
