"""What a function imports at its start is light."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def test_the_encoders_do_not_import_what_only_the_decoder_needs():
    program = (
        "import sys, imagesearch.embedding.image_encoder, imagesearch.embedding.text_encoder;"
        "sys.exit(' '.join({'PIL', 'pi_heif', 'rawpy', 'pillow_jxl'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.stderr == b"\n"
