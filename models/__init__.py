"""How a model is made: build, quantize, check parity, pin. Tools; nothing here is shipped."""

import os

# onnxruntime reports to its maker, from the moment of its import, unless it is told not to before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
