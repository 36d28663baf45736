"""Writes clip.npz: what Hugging Face's CLIPImageProcessor makes of every sample.

Run from the repository's root where transformers<5 and Pillow are installed (torch is not needed):
python tests/unit/embedding/reference/make_reference.py

Of each tensor [3, 224, 224] 1,000 values at drawn places are kept: a picture that lies elsewhere,
or is resampled otherwise, differs there as it does everywhere.
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
