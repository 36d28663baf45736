"""Notes of uploads go after a day, and nothing else does."""

from pathlib import Path

from local.commands.serve import UPLOAD_RECORD_SECONDS, clean_up


def test_old_notes_go_and_everything_else_stays(tmp_path: Path) -> None:
    note, copy = tmp_path / "uploads/x", tmp_path / "thumbnails/x/y.webp"
    for path in (note, copy):
        path.parent.mkdir(parents=True)
        path.touch()
    written = note.stat().st_mtime
    clean_up(tmp_path, written + UPLOAD_RECORD_SECONDS)
    assert note.exists()
    clean_up(tmp_path, written + UPLOAD_RECORD_SECONDS + 1)
    assert not note.exists()
    assert copy.exists()


def test_where_nothing_was_uploaded_there_is_nothing_to_clear(tmp_path: Path) -> None:
    clean_up(tmp_path / "nothing")
