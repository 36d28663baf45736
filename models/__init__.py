"""Tools that build, quantize and evaluate models; not part of the deployed layer.

They may import the packages of the layer and `local`.
"""

import os

import numpy as np
import numpy.typing as npt

# onnxruntime sends telemetry from its import on unless this is set before.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

Floats = npt.NDArray[np.float32]
