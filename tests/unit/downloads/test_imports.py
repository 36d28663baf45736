"""The fetch function does not import the model runtime."""

import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_downloading_imports_neither_the_runtime_nor_the_decoders():
    program = (
        "import sys, functions.fetch_model.app;"
        "sys.exit(' '.join({'onnxruntime', 'tokenizers', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"AWS_DEFAULT_REGION": "us-east-1"},
        capture_output=True,
        check=False,
    )
    assert done.stderr == b"\n"
