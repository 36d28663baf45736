"""Runs a handler with Lambda's import path: reads events, writes responses.

python lambda_process.py ROOT HANDLER EVENTS ANSWERS
"""

import importlib
import json
import sys
from pathlib import Path
from types import SimpleNamespace

root, handler, events, answers = sys.argv[1:]
ours = str(Path(__file__).parent)
standard_library = [entry for entry in sys.path if entry != ours]
sys.path[:] = [f"{root}/var/task", f"{root}/opt/python", f"{root}/var/runtime", *standard_library]

module, _, name = handler.rpartition(".")
handle = getattr(importlib.import_module(module), name)
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
