"""The Python version of Lambda is found on PATH, among the versions of uv and pyenv, or by name."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.packaging.conftest import PYTHON, PYTHON_VARIABLE, pythons

Install = Callable[[str], Path]


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Creates an executable file in a directory below that of the test."""

    def make(folder: str) -> Path:
        path = tmp_path / folder / PYTHON
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    return make


def test_every_directory_of_path_is_searched(tmp_path: Path, install: Install) -> None:
    shim, real = install("shims"), install("bin")
    found = pythons({"PATH": f"{shim.parent}:{tmp_path / 'missing'}:{real.parent}", "HOME": "/x"})
    assert list(found)[:2] == [shim, real]


@pytest.mark.parametrize(
    ("variable", "value", "folder"),
    [
        ("HOME", "home", "home/.pyenv/versions/3.13.1/bin"),
        ("HOME", "home", "home/.local/share/uv/python/cpython-3.13.1-linux-x86_64-gnu/bin"),
        ("PYENV_ROOT", "pyenv", "pyenv/versions/3.13.1/bin"),
        ("UV_PYTHON_INSTALL_DIR", "uv", "uv/cpython-3.13.1-linux-x86_64-gnu/bin"),
        ("XDG_DATA_HOME", "data", "data/uv/python/cpython-3.13.1-linux-x86_64-gnu/bin"),
    ],
)
def test_versions_of_uv_and_pyenv_of_the_user_are_found(
    tmp_path: Path, install: Install, variable: str, value: str, folder: str
) -> None:
    expected = install(folder)
    environ = {"PATH": str(tmp_path / "missing"), "HOME": str(tmp_path / "none")}
    assert expected in pythons(environ | {variable: str(tmp_path / value)})


def test_a_named_python_is_the_only_candidate(install: Install) -> None:
    named, other = install("named"), install("bin")
    environ = {"PATH": str(other.parent), PYTHON_VARIABLE: str(named)}
    assert list(pythons(environ)) == [named]
