"""From files and words to vectors: decoding, preprocessing, tokenizing and the ONNX sessions."""

import os

# onnxruntime reports to its maker, from the moment of its import, unless it is told not to before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
