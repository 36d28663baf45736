"""Startup: no telemetry, and light imports."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.paths import STARTER_MODEL

pytestmark = pytest.mark.slow

_EMBED = """
import sys
from pathlib import Path
from imagesearch.embedding.manifest import load_manifest
from imagesearch.embedding.text_encoder import OnnxTextEncoder
folder = Path(sys.argv[1])
print(OnnxTextEncoder(folder, load_manifest(folder)).encode_texts(["a dog"]).shape)
"""


def test_onnxruntime_telemetry_is_disabled(tmp_path: Path) -> None:
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("ORT_", "XDG_"))
    }
    done = subprocess.run(
        [sys.executable, "-B", "-c", _EMBED, STARTER_MODEL],
        env=environment | {"HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "(1, 512)"
    assert list(tmp_path.rglob("*")) == []
    assert "telemetry" not in done.stderr


pytestmark = pytest.mark.slow


def test_the_encoders_do_not_import_decoder_libraries():
    program = (
        "import sys, imagesearch.embedding.image_encoder, imagesearch.embedding.text_encoder;"
        "sys.exit(' '.join({'PIL', 'pi_heif', 'rawpy', 'pillow_jxl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stderr == b"\n"
