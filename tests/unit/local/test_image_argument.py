"""An id is an image in every place of the command line, and options stay options."""

from typing import Annotated

import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from local.image_argument import DASHED_ID, ImageCommand

LONG = "--an-option-of-24-chars-"
FLAGS: tuple[tuple[str, ...], ...] = (("--json",), (LONG,), ("--limit", "3"), ("--limit=3",))
app = typer.Typer()


@app.command(cls=ImageCommand)
def show(
    image: str,
    limit: int = 10,
    folder: str = "",
    as_json: Annotated[bool, typer.Option("--json")] = False,
    long: Annotated[bool, typer.Option(LONG)] = False,
) -> None:
    typer.echo(f"{image} {limit} {folder} {as_json} {long}")


def parsed(*line: str) -> str:
    done = CliRunner().invoke(app, line)
    assert done.exit_code == 0, done.output
    return done.output.removesuffix("\n")


@given(
    st.from_regex(DASHED_ID, fullmatch=True),
    st.lists(st.sampled_from(FLAGS), unique=True),
    st.lists(st.sampled_from(FLAGS), unique=True),
)
def test_an_id_may_stand_anywhere(
    id: str, before: list[tuple[str, ...]], after: list[tuple[str, ...]]
) -> None:
    options = [*before, *after]
    line = [word for each in (*before, (id,), *after) for word in each]
    limit = 3 if any("--limit" in each[0] for each in options) else 10
    expected = f"{id} {limit}  {('--json',) in options} {(LONG,) in options}"
    assert parsed(*line) == expected


@given(st.from_regex(DASHED_ID, fullmatch=True))
def test_the_value_of_an_option_is_no_image(value: str) -> None:
    assert parsed("--folder", value, "photo.jpg") == f"photo.jpg 10 {value} False False"
    assert parsed("--", value) == f"{value} 10  False False"


def test_an_unknown_option_is_an_error() -> None:
    for name in ("--jsn", "-x"):
        done = CliRunner().invoke(app, [name, "photo.jpg"])
        assert done.exit_code == 2
        assert f"No such option: {name}" in done.output
