"""Writes clip.npz: the output of CLIPImageProcessor of Hugging Face for every sample.

Run in the root of the repository with transformers<5 and Pillow installed (without torch):
python tests/unit/embedding/reference/make_reference.py

The file has 1,000 values at random positions of each tensor [3, 224, 224], which is sufficient to
detect a shift or another resampling.
"""

from pathlib import Path

import numpy as np
from PIL import Image
from transformers import CLIPImageProcessor

VALUES = 1_000
SHAPE = (3, 224, 224)

places = np.random.default_rng(0).choice(np.prod(SHAPE), VALUES, replace=False)
process = CLIPImageProcessor()
kept = {}
for path in sorted(Path("samples").rglob("*.webp")):
    pixels = process(Image.open(path), return_tensors="np")["pixel_values"][0]
    kept[path.relative_to("samples").as_posix()] = pixels.ravel()[places].astype(np.float16)
np.savez_compressed(Path(__file__).with_name("clip.npz"), places=places, **kept)
