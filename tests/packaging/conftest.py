"""The output of `sam build` in the file layout of Lambda, and the Python version of Lambda."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.sharing import shared_by_workers

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PYTHON = "python3.13"
# The path of that Python, if it is not found otherwise.
PYTHON_VARIABLE = "LAMBDA_PYTHON"
# Packages of the Lambda runtime; pure Python, so the copies of any environment work.
RUNTIME_PACKAGES = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "urllib3", "six.py")


def missing(what: str) -> Any:
    """Report a missing tool: an error in CI, otherwise a skip."""
    if os.environ.get("CI"):
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


@pytest.fixture(scope="session")
def sam_python() -> Path:
    found = ROOT / ".venv-sam/bin/python"
    return found if found.exists() else missing("no .venv-sam: make setup-sam")


@pytest.fixture(scope="session")
def translate(sam_python) -> Iterator[Callable[..., dict[str, Any]]]:
    """The CloudFormation template of a deployment with these parameters, at a time."""
    with subprocess.Popen(
        [sam_python, HERE / "translate.py"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as translator:
        requests, responses = translator.stdin, translator.stdout
        assert requests
        assert responses

        def translate(*, at: int = 1_800_000_000, **parameters: str) -> dict[str, Any]:
            requests.write(json.dumps({"at": at, "parameters": parameters}) + "\n")
            requests.flush()
            line = responses.readline()
            assert line, "the translator failed: see its error above"
            return json.loads(line)

        yield translate
        requests.close()


@pytest.fixture(scope="session")
def built(sam_python, tmp_path_factory) -> Iterator[Path]:
    """The folder of the built template and its artifacts."""

    @contextmanager
    def building():
        yield str(_build(sam_python, tmp_path_factory.mktemp("sam") / "build"))

    with shared_by_workers(tmp_path_factory, "built", building) as folder:
        yield Path(folder)


def _build(sam_python: Path, folder: Path) -> Path:
    command = [sam_python.parent / "sam", "build", "--build-dir", folder]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    environment |= {"SAM_CLI_TELEMETRY": "0", "PYTHON": str(ROOT / ".venv/bin/python")}
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def shipped(built) -> dict[str, Path]:
    """The folders of the deployment packages, by logical ID."""
    loader = type("Loader", (yaml.SafeLoader,), {})
    loader.add_multi_constructor("!", lambda *_: None)
    template = yaml.load((built / "template.yaml").read_text(), loader)  # noqa: S506
    folders = {}
    for name, resource in template["Resources"].items():
        properties = resource.get("Properties", {})
        if folder := properties.get("CodeUri") or properties.get("ContentUri"):
            folders[name] = (built / folder).resolve()
    return folders


@pytest.fixture(scope="session")
def lambda_roots(shipped, tmp_path_factory) -> Iterator[dict[str, Path]]:
    """A root folder per function with /var/task, /var/runtime and the layers merged into /opt."""
    import boto3  # the copy in the test environment

    packages = Path(boto3.__file__).parents[1]
    folder = tmp_path_factory.mktemp("lambda")
    opt = folder / "opt"
    for layer in ("ImageSearchLayer", "StarterModelLayer"):
        shutil.copytree(shipped[layer], opt, dirs_exist_ok=True)
    roots = {}
    for function in ("FetchModel", "IndexImages", "Search"):
        root = roots[function] = folder / function
        shutil.copytree(shipped[function], root / "var/task")
        (root / "opt").symlink_to(opt)
        (root / "var/runtime").mkdir()
        for package in RUNTIME_PACKAGES:
            (root / "var/runtime" / package).symlink_to(packages / package)
    for path in (*opt.rglob("*"), *folder.glob("*/var/task/**/*")):
        path.chmod(path.stat().st_mode & ~0o222)
    yield roots
    for path in folder.rglob("*"):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)


@pytest.fixture(scope="session")
def lambda_python(tmp_path_factory) -> Path:
    """The Python version of Lambda in an environment without packages."""
    folder = tmp_path_factory.mktemp("python")
    for candidate in pythons(os.environ):
        command = [candidate, "-m", "venv", "--clear", "--without-pip", folder]
        with suppress(OSError):
            if subprocess.run(command, capture_output=True, check=False).returncode == 0:
                return folder / "bin/python"
    return missing(
        f"no {PYTHON} with venv, which Lambda runs, on PATH or among the versions of uv and pyenv:"
        " run `uv python install 3.13`, `pyenv install 3.13` or"
        f" `apt-get install {PYTHON}-venv`, or set {PYTHON_VARIABLE} to its path"
    )


def pythons(environ: Mapping[str, str]) -> Iterator[Path]:
    """Candidates for the Python version of Lambda, which may not run; only the named one if any."""
    if named := environ.get(PYTHON_VARIABLE):
        yield Path(named)
        return
    # A pyenv shim on PATH exists for versions that are not selected, and fails.
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        if found := shutil.which(PYTHON, path=folder):
            yield Path(found)
    home = Path(environ.get("HOME", "/"))
    uv = environ.get("UV_PYTHON_INSTALL_DIR")
    data = environ.get("XDG_DATA_HOME") or home / ".local/share"
    for versions, pattern in (
        (Path(uv) if uv else Path(data, "uv/python"), f"cpython-3.13*/bin/{PYTHON}"),
        (Path(environ.get("PYENV_ROOT") or home / ".pyenv", "versions"), f"3.13*/bin/{PYTHON}"),
        # The versions installed with the Python that runs the tests.
        (Path(sys.base_prefix).parent, f"*3.13*/bin/{PYTHON}"),
    ):
        with suppress(OSError):
            yield from sorted(versions.glob(pattern), reverse=True)


@pytest.fixture(scope="session")
def photos(tmp_path_factory) -> Path:
    """A bucket of four sample photos."""
    folder = tmp_path_factory.mktemp("bucket")
    for name in ("animals/goldfish", "animals/owl", "energy/wooden-windmill", "objects/volleyball"):
        target = folder / f"{name}.webp"
        target.parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / f"samples/{name}.webp", target)
    return folder


Invoke = Callable[[str, str, list[Any]], list[dict[str, Any]]]


@pytest.fixture(scope="session")
def bytecode(tmp_path_factory) -> Path:
    """A folder for compiled modules, outside the artifacts: each process would compile them."""
    return tmp_path_factory.mktemp("bytecode")


@pytest.fixture
def invoke(lambda_roots, lambda_python, bytecode, photos, tmp_path) -> Invoke:
    """Invokes the handler of a function in its own process, once per event."""

    def invoke(function: str, handler: str, events: list[Any]) -> list[dict[str, Any]]:
        root = lambda_roots[function]
        given, responses = tmp_path / "events.json", tmp_path / "answers.json"
        given.write_text(json.dumps(events))
        environment = {
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "none",
            "AWS_SECRET_ACCESS_KEY": "none",
            "AWS_LAMBDA_FUNCTION_NAME": function,
            "LAMBDA_TASK_ROOT": f"{root}/var/task",
            "TMPDIR": str(tmp_path),
            "PYTHONPYCACHEPREFIX": str(bytecode),
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "BUCKET": photos.resolve().as_uri(),
            "INDEX_URL": f"sqlite://{tmp_path}/index.sqlite",
            "MODEL_URI": f"{root}/opt/starter_model",
        }
        script = HERE / "lambda_process.py"
        done = subprocess.run(
            [lambda_python, script, root, handler, given, responses],
            cwd=root / "var/task",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(responses.read_text())

    return invoke
