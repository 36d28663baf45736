"""Records of uploads and of searches are deleted after a day, and nothing else is."""

from pathlib import Path

import pytest

from local.commands.serve import UPLOAD_RECORD_SECONDS, access_of, clean_up
from local.errors import UsageError
from local.web.auth import KEY, KEYS


@pytest.mark.parametrize("record", ["uploads/x", "searches/x.json"])
def test_only_old_records_and_partial_files_are_deleted(record: str, tmp_path: Path) -> None:
    note, part = tmp_path / record, tmp_path / "thumbnails/x/.part-1"
    kept = [tmp_path / name for name in ("thumbnails/x/y.webp", "feedback/2026/01/02/x.json")]
    for path in (note, part, *kept):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    written = note.stat().st_mtime
    clean_up(tmp_path, written + UPLOAD_RECORD_SECONDS)
    assert note.exists()
    clean_up(tmp_path, written + UPLOAD_RECORD_SECONDS + 1)
    assert not note.exists()
    assert not part.exists()
    assert all(path.exists() for path in kept)


def test_cleanup_without_uploads_does_nothing(tmp_path: Path) -> None:
    clean_up(tmp_path / "nothing")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "0"])  # noqa: S104
def test_a_host_that_other_machines_reach_requires_a_key_or_no_key(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (KEY, KEYS):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UsageError, match=f"set {KEY} .* or use --no-key"):
        access_of(host, [], no_key=False)
    assert not access_of(host, [], no_key=True).keys
    monkeypatch.setenv(KEYS, "shop=one")
    assert access_of(host, [], no_key=False).keys
    with pytest.raises(UsageError, match="--no-key contradicts"):
        access_of(host, [], no_key=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f.1", "[::1]", "localhost."])
def test_a_loopback_host_needs_no_key(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (KEY, KEYS):
        monkeypatch.delenv(name, raising=False)
    assert not access_of(host, ["photos.lan"], no_key=False).keys
