"""Upload records are deleted after a day, and nothing else is."""

from pathlib import Path

from local.commands.serve import UPLOAD_RECORD_SECONDS, clean_up


def test_only_old_upload_records_and_partial_files_are_deleted(tmp_path: Path) -> None:
    note, copy = tmp_path / "uploads/x", tmp_path / "thumbnails/x/y.webp"
    part = tmp_path / "thumbnails/x/.part-1"
    for path in (note, copy, part):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    written = note.stat().st_mtime
    clean_up(tmp_path, written + UPLOAD_RECORD_SECONDS)
    assert note.exists()
    clean_up(tmp_path, written + UPLOAD_RECORD_SECONDS + 1)
    assert not note.exists()
    assert not part.exists()
    assert copy.exists()


def test_cleanup_without_uploads_does_nothing(tmp_path: Path) -> None:
    clean_up(tmp_path / "nothing")
