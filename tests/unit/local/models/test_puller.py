"""A pulled model is complete, verified and usable, or it does not exist."""

import hashlib
import json
import threading
from collections.abc import Iterator
from io import StringIO
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto
from rich.console import Console

from imagesearch.domain.errors import ConfigurationError, ImageSearchError
from imagesearch.downloads.model_source import ModelSource
from imagesearch.embedding.manifest import load_manifest
from local.errors import UsageError
from local.models.installed import check_files, models_cache
from local.models.puller import Puller, exclusive_lock
from local.terminal.output import waiting_line
from tests.support.models.tiny_model import FILES, known, unsigned_graph
from tests.support.servers.file_server import FileServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[FileServer]:
    made = FileServer()
    made.files = {"/image.onnx": unsigned_graph(), "/text.onnx": b"text", "/tokenizer.json": b"{}"}
    with made.running():
        yield made


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "models"


def puller(cache: Path, *, signed_is_fast: bool = True) -> Puller:
    return Puller(cache, signed_is_fast=lambda: signed_is_fast, pause=lambda _: None)


def test_a_pulled_model_is_a_valid_model_folder(server: FileServer, cache: Path) -> None:
    folder = puller(cache).pull(known(server))
    manifest = check_files(folder)
    assert folder == cache / "tiny"
    assert manifest.text.image_space == manifest.image_space
    assert {path.name for path in folder.iterdir()} == {*FILES, "manifest.json"}


def test_unsigned_weights_are_converted_and_both_hashes_are_recorded(
    server: FileServer, cache: Path
) -> None:
    model = known(server)
    folder = puller(cache).pull(model)
    entry = check_files(folder).files["image.onnx"]
    assert entry.rewritten_from == model.pins["image.onnx"].sha256 != entry.sha256
    weight = onnx.load(folder / "image.onnx").graph.initializer[0]
    assert weight.data_type == TensorProto.INT8


def test_weights_stay_unsigned_if_signed_ones_are_not_exact(
    server: FileServer, cache: Path, tmp_path: Path
) -> None:
    model = known(server)
    folder = puller(cache, signed_is_fast=False).pull(model)
    plain = load_manifest(folder)
    assert plain.files["image.onnx"].sha256 == model.pins["image.onnx"].sha256
    signed = load_manifest(puller(tmp_path / "other").pull(model))
    assert plain.image_space == signed.image_space


def test_a_complete_model_is_not_downloaded_again(server: FileServer, cache: Path) -> None:
    for _ in range(2):
        puller(cache).pull(known(server))
    assert len(server.requests) == len(FILES)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_model_is_downloaded_again(name: str, server: FileServer, cache: Path) -> None:
    folder = puller(cache).pull(known(server))
    (folder / name).write_bytes(b"damage")
    assert check_files(puller(cache).pull(known(server)))


def test_a_model_with_new_hashes_is_downloaded_again(server: FileServer, cache: Path) -> None:
    puller(cache).pull(known(server))
    server.files["/tokenizer.json"] = b'{"new": 1}'
    folder = puller(cache).pull(known(server))
    assert (folder / "tokenizer.json").read_bytes() == b'{"new": 1}'
    assert [path.name for path in cache.iterdir() if path.is_dir()] == ["tiny"]


def test_a_manifest_with_new_fields_is_rewritten(server: FileServer, cache: Path) -> None:
    model = known(server)
    before = load_manifest(puller(cache).pull(model))
    changed = model.manifest | {"text": model.manifest["text"] | {"clean": "clip"}}
    folder = puller(cache).pull(model.model_copy(update={"manifest": changed}))
    after = load_manifest(folder)
    assert (before.text.clean, after.text.clean) == (None, "clip")
    assert (after.files, after.image_space) == (before.files, before.image_space)
    assert len(server.requests) == len(FILES)


def test_a_locally_calibrated_model_stays_calibrated(server: FileServer, cache: Path) -> None:
    model = known(server)
    folder = puller(cache).pull(model)
    background = b"rows of int8"
    (folder / "background.npy").write_bytes(background)
    manifest = json.loads((folder / "manifest.json").read_text())
    sha256 = hashlib.sha256(background).hexdigest()
    manifest["files"]["background.npy"] = {"sha256": sha256, "bytes": len(background)}
    kind = {"background": "background.npy", "neighbours": 10}
    kind |= {"slope": 10.0, "base": 0.1, "nearness": 0.5}
    manifest["relevance"] = dict.fromkeys(("text", "image", "mixed"), kind)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    calibrated = check_files(folder)
    changed = model.manifest | {"text": model.manifest["text"] | {"clean": "clip"}}
    after = check_files(puller(cache).pull(model.model_copy(update={"manifest": changed})))
    assert after.text.clean == "clip"
    assert after.relevance == calibrated.relevance is not None
    assert len(server.requests) == len(FILES)


@pytest.mark.parametrize("status", [404, 403])
def test_a_failed_pull_leaves_no_model_and_the_next_resumes(
    status: int, server: FileServer, cache: Path
) -> None:
    server.statuses = [200, status]
    with pytest.raises(ImageSearchError, match=str(status)):
        puller(cache).pull(known(server))
    assert not list(cache.glob("*/manifest.json"))
    assert not (cache / "tiny").exists()
    check_files(puller(cache).pull(known(server)))
    assert [path for path, _ in server.requests].count("/image.onnx") == 1


def test_a_wrong_hash_leaves_no_model(server: FileServer, cache: Path) -> None:
    model = known(server)
    server.files["/text.onnx"] = b"evil"
    with pytest.raises(ConfigurationError, match="instead of"):
        puller(cache).pull(model)
    assert not (cache / "tiny").exists()


def test_concurrent_pulls_do_not_conflict(server: FileServer, cache: Path) -> None:
    cache.mkdir()
    with exclusive_lock(cache / "tiny"), pytest.raises(UsageError, match="another process"):
        puller(cache).pull(known(server))
    ends: list[object] = []

    def pull() -> None:
        try:
            ends.append(check_files(puller(cache).pull(known(server))))
        except UsageError as error:
            ends.append(error)

    threads = [threading.Thread(target=pull) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ends) == len(threads)
    assert check_files(cache / "tiny")


def test_progress_is_reported_for_each_file(server: FileServer, cache: Path) -> None:
    changed: list[tuple[str, int | None, int]] = []
    watched = Puller(cache, lambda *step: changed.append(step), lambda: True, lambda _: None)
    watched.pull(known(server))
    assert ("text.onnx", 4, 4) in changed
    assert {name for name, _, _ in changed} == set(FILES)


def test_a_cache_folder_that_cannot_be_created_is_named(server: FileServer, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=r"cannot create .*file"):
        puller(tmp_path / "file" / "models").pull(known(server))


@pytest.mark.parametrize(
    ("environ", "platform", "end"),
    [
        ({"IMAGESEARCH_CACHE": "/big/disk", "XDG_CACHE_HOME": "/x"}, "linux", "/big/disk/models"),
        ({"XDG_CACHE_HOME": "/x"}, "linux", "/x/imagesearch/models"),
        ({"XDG_CACHE_HOME": "relative"}, "linux", "/.cache/imagesearch/models"),
        ({}, "linux", "/.cache/imagesearch/models"),
        ({}, "darwin", "/Library/Caches/imagesearch/models"),
    ],
)
def test_models_are_stored_in_the_cache_folder_of_the_platform(
    environ: dict[str, str], platform: str, end: str
) -> None:
    assert str(models_cache(environ, platform)).endswith(end)


def test_a_pull_waits_for_a_busy_server_and_says_why(server: FileServer, cache: Path) -> None:
    server.statuses, server.error_headers = [429], {"retry-after": "90"}
    pauses: list[float] = []
    output = StringIO()
    console = Console(file=output, width=40)
    waiting = waiting_line(console)
    Puller(cache, signed_is_fast=lambda: True, pause=pauses.append, waiting=waiting).pull(
        known(server)
    )
    assert 90 <= pauses[0] <= 91
    assert output.getvalue() == (
        "the server returned status 429 and Retry-After 90 s; waiting 90 s before the next attempt"
        " (Ctrl-C stops)\n"
    ).replace("waiting 90", f"waiting {pauses[0]:.0f}")


def test_an_interrupted_wait_is_resumed_by_the_next_pull(server: FileServer, cache: Path) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    server.statuses = [200, 503]
    with pytest.raises(KeyboardInterrupt):
        Puller(cache, signed_is_fast=lambda: True, pause=interrupt).pull(known(server))
    server.requests.clear()
    assert puller(cache).pull(known(server)) == cache / "tiny"
    assert [path for path, _ in server.requests] == ["/text.onnx", "/tokenizer.json"]


def test_a_model_is_pulled_from_a_mirror(server: FileServer, cache: Path) -> None:
    model = known(server)
    server.files = {f"/mirror/tiny{path}": data for path, data in server.files.items()}
    source = ModelSource(f"{server.url}/mirror")
    folder = Puller(cache, signed_is_fast=lambda: True, source=source).pull(model)
    assert check_files(folder).name == "tiny"
    assert {path for path, _ in server.requests} == {f"/mirror/tiny/{name}" for name in FILES}
