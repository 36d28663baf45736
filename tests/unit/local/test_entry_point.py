"""The environment of the command before any of its functions runs."""

import os
import subprocess
import sys

import pytest

from local import cli


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
