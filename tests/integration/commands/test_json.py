"""Claim: with `--json`, `push` and `backfill` print JSON lines, and nothing else."""

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from local.cli import app
from tests.integration.commands.conftest import BUCKET


def run(*arguments: str) -> tuple[int, list[dict[str, Any]]]:
    done = CliRunner().invoke(app, [*arguments, "--json"])
    return done.exit_code, [json.loads(line) for line in done.stdout.splitlines()]


def test_push_counts_files_and_gives_the_reasons_of_failures(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"\xff\xd8\xff")
    target = f"s3://{BUCKET}"
    row = {"complete": True, "uploaded": 1, "unchanged": 0, "failed": [], "skipped": []}
    assert run("push", str(tmp_path), target) == (0, [row])
    (tmp_path / "a.jpg").unlink()
    (tmp_path / "outside.jpg").symlink_to("/etc/hostname")
    status, [row] = run("push", str(tmp_path), target)
    assert (status, row["complete"], row["skipped"][0]["path"]) == (1, False, "outside.jpg")


def test_backfill_names_the_execution(s3: Any, queue: Any, machine: Any) -> None:
    arn = machine(queue("backfill"))
    status, [row] = run("backfill", f"s3://{BUCKET}", "--state-machine", arn)
    assert status == 0
    assert row["execution"].startswith(arn.replace(":stateMachine:", ":execution:"))
