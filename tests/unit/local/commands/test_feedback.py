"""`imagesearch feedback export` prints the stored feedback of a folder or a deployed system."""

import json
from pathlib import Path

import pytest

from local.commands.feedback import Forgotten, feedback_in_folder
from local.errors import UsageError
from local.workspace import workspace_of

pytestmark = pytest.mark.slow


def test_every_feedback_record_is_a_line_in_the_order_of_days(
    folder: Path, tmp_path: Path, run
) -> None:
    derived = workspace_of(folder, tmp_path / ".imagesearch").derived
    for day in ("2026/01/02", "2025/12/31"):
        (derived / "feedback" / day).mkdir(parents=True)
        event = json.dumps({"time": day, "relevant": True})
        (derived / "feedback" / day / "0a.json").write_text(event)
    (derived / "thumbnails").mkdir()
    done = run("feedback", "export", "--folder", str(folder))
    assert done.returncode == 0
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["time"] for line in lines] == ["2025/12/31", "2026/01/02"]


def test_no_feedback_prints_no_line(folder: Path, tmp_path: Path) -> None:
    assert list(feedback_in_folder(folder, tmp_path / ".imagesearch")) == []
    with pytest.raises(UsageError):
        list(feedback_in_folder(None, tmp_path / ".imagesearch"))


def test_an_invalid_bucket_name_is_rejected(run) -> None:
    done = run("feedback", "export", "--from", "https://bucket")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is not a bucket" in done.stderr


@pytest.mark.parametrize("user", ["", " "])
def test_an_empty_user_is_rejected(run, user) -> None:
    """A variable that is not set must not delete all feedback without a key."""
    done = run("feedback", "forget", "--user", user)
    assert (done.returncode, done.stdout) == (2, "")
    assert "--user is empty" in done.stderr


def test_one_deleted_opinion_is_in_the_singular():
    assert list(Forgotten(1, (), None).lines()) == ["1 opinion deleted"]
