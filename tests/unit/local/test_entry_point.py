"""The environment of the command before any of its functions runs."""

import io
import json
import os
import subprocess
import sys

import pytest

from local import cli
from local.terminal.tables import print_json_lines, print_paths, print_table


@pytest.mark.parametrize(("chosen", "used"), [(None, "1"), ("4", "4")])
def test_products_of_matrices_use_one_thread_unless_another_number_is_set(
    monkeypatch, chosen, used
):
    found = []
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    if chosen:
        monkeypatch.setenv("OPENBLAS_NUM_THREADS", chosen)
    monkeypatch.setattr(cli, "_run", lambda: found.append(os.environ["OPENBLAS_NUM_THREADS"]))
    cli.main()
    monkeypatch.delenv("OPENBLAS_NUM_THREADS")
    assert found == [used]


@pytest.mark.slow
def test_the_command_without_its_extra_states_what_to_install():
    # As where the wheel was installed without the extra.
    program = "import sys; sys.modules['typer'] = None; import local.cli"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "imagesearch: the command needs the extra `local`: pipx install './imagesearch[local]'\n"
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_any_name_is_printed_in_any_encoding(encoding, monkeypatch):
    name = "caf\u00e9 \u65e5\u672c \U0001f469"
    written = io.BytesIO()

    def command():
        print_json_lines([{"key": name}])
        print_table(["key"], [[name]])
        print_paths([name])
        sys.stdout.flush()

    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding))
    monkeypatch.setattr(cli, "_run", command)
    cli.main()
    as_json, *others = written.getvalue().decode(encoding).splitlines()
    assert json.loads(as_json) == {"key": name}
    expected = name.encode(encoding, "backslashreplace").decode(encoding)
    assert others == [expected, expected]
