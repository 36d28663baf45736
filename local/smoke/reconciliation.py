"""The reconciliation of a smoke test: the state machine of a stack, or `verify` of a folder."""

import io
import json
from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Protocol

from local.aws.clients import aws_client, stack_outputs
from local.errors import UsageError
from local.smoke.results import CheckFailed, CheckSkipped

MACHINE = "ReconciliationStateMachineArn"
RUNNING, SUCCEEDED = "RUNNING", "SUCCEEDED"


class Reconciliation(Protocol):
    """A comparison of the bucket with the index."""

    def start(self) -> None:
        """Start it. Raises CheckSkipped if it does not apply, and UsageError."""

    def result(self) -> str | None:
        """Its counts, or None while it runs. Raises CheckFailed."""


class StackReconciliation:
    """The state machine that a stack runs daily; what differs is sent to the queues."""

    def __init__(self, stack: str, clients: Callable[[str], Any] = aws_client) -> None:
        self._stack, self._clients = stack, clients
        self._states: Any = None
        self._execution = ""

    def start(self) -> None:
        outputs = stack_outputs(self._stack, self._clients("cloudformation"))
        if MACHINE not in outputs:
            raise UsageError(f"the stack {self._stack} has no output {MACHINE}: deploy it again")
        self._states = self._clients("stepfunctions")
        started = self._states.start_execution(stateMachineArn=outputs[MACHINE], input="{}")
        self._execution = started["executionArn"]

    def result(self) -> str | None:
        execution = self._states.describe_execution(executionArn=self._execution)
        if execution["status"] == RUNNING:
            return None
        if execution["status"] != SUCCEEDED:
            cause = execution.get("cause") or execution.get("error") or "see its history"
            raise CheckFailed(f"{self._execution} ended as {execution['status']}: {cause}")
        counts: Counter[str] = Counter()
        for part in json.loads(execution["output"]):
            counts.update(part.get("counts", {}))
        return ", ".join(f"{number:,} {what}" for what, number in counts.items()) or "nothing to do"


class FolderReconciliation:
    """`imagesearch verify` of the folder of a local server."""

    def __init__(self, folder: Path, data_dir: Path) -> None:
        self._folder, self._data_dir = folder, data_dir

    def start(self) -> None:
        """Without the index of the folder on this machine, it does not apply."""
        from local.workspace import selected_workspace

        try:
            selected_workspace(self._folder, self._data_dir).must_be_indexed()
        except UsageError as error:
            raise CheckSkipped(f"{error}: name the server's folder with --data-dir") from error

    def result(self) -> str:
        from imagesearch.embedding.model_catalog import STARTER
        from local.lambda_runtime import settings_of
        from local.models.installed import model_folder
        from local.options import set_excludes
        from local.verification.folder import compare_folder
        from local.workspace import selected_workspace

        workspace = selected_workspace(self._folder, self._data_dir)
        set_excludes(workspace.folder, None, False)
        model = model_folder(workspace.model or STARTER, workspace.directory.parent)
        lines = io.StringIO()
        with redirect_stdout(lines):
            findings = compare_folder(workspace, settings_of(workspace, model), as_json=False)
        if findings.counts:
            raise CheckFailed(f"{findings.summary()}: {lines.getvalue().splitlines()[0]}")
        return findings.summary()
