"""Models: manifests, tokenizers, ONNX sessions, and the encoders of images and texts.

May import the domain, the types of the use cases that a manifest configures, numpy, onnxruntime,
tokenizers and pydantic; Pillow and decoders of image formats in `decoding` only.
"""

import os

# onnxruntime sends telemetry from its import on, unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
