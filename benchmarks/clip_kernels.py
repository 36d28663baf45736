"""The kernel for signed weights beside the one that serves CPUs without VNNI: the same vectors?

Of its kernels for x86, onnxruntime lets one choose between these two alone.
"""

from pathlib import Path

import numpy as np

from benchmarks.report import Row
from imagesearch.embedding.session import open_session, session_options
from models.clip.reference import random_pixels
from models.clip_shape import VIT_B_32
from models.evaluation.parity import cosines
from models.quantise import Floats

PRECISE = "session.x64quantprecision"


def measure(graph: Path, name: str) -> Row:
    signed, unsigned = (_vectors(graph, choice) for choice in ("0", "1"))
    worst = cosines(unsigned, signed).worst
    equal = "bit for bit" if np.array_equal(signed, unsigned) else f"worst cosine {worst:.6f}"
    how = f"the kernel for signed weights against the one for unsigned, {len(signed)} pictures"
    return Row(f"the same vectors from both int8 kernels, {name}", equal, how, "≥ 0.9999")


def _vectors(graph: Path, precise: str) -> Floats:
    options = session_options(None)
    options.add_session_config_entry(PRECISE, precise)
    session = open_session(graph, options=options)
    pixels = random_pixels(VIT_B_32, 0)
    alone = [session.run(None, {"pixel_values": picture[None]})[0] for picture in pixels]
    return np.concatenate(alone)
