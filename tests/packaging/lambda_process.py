"""Runs a handler with Lambda's import path, from a snapshot: reads events, writes responses.

The name of each process at the time of the snapshot is in the file `processes.json` there.

python lambda_process.py ROOT HANDLER EVENTS ANSWERS
"""

import importlib
import json
import os
import sys
import types
from pathlib import Path
from types import SimpleNamespace

root, handler, events, answers = sys.argv[1:]
ours = str(Path(__file__).parent)
standard_library = [entry for entry in sys.path if entry != ours]
sys.path[:] = [f"{root}/var/task", f"{root}/opt/python", f"{root}/var/runtime", *standard_library]

# The module of Lambda's runtime for hooks; it runs those before a snapshot in reverse order.
before: list[object] = []
after: list[object] = []
hooks = types.ModuleType("snapshot_restore_py")
hooks.register_before_snapshot = before.append  # type: ignore[attr-defined]
hooks.register_after_restore = after.append  # type: ignore[attr-defined]
sys.modules[hooks.__name__] = hooks

module, _, name = handler.rpartition(".")
handle = getattr(importlib.import_module(module), name)
children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
commands = [Path(f"/proc/{pid}/cmdline").read_text().split("\0") for pid in children]
Path(answers).with_name("processes.json").write_text(json.dumps(commands))
for hook in (*reversed(before), *after):
    hook()  # type: ignore[operator]
context = SimpleNamespace(
    aws_request_id="9a1b",
    function_name="imagesearch",
    function_version="1",
    invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:imagesearch:live",
    memory_limit_in_mb="2048",
    log_group_name="log",
    log_stream_name="stream",
    get_remaining_time_in_millis=lambda: 60000,
)
responses = [handle(event, context) for event in json.loads(Path(events).read_text())]
Path(answers).write_text(json.dumps(responses, default=str))
