"""Verification of an installed model: the hashes of its files, and both encoders."""

import io
from pathlib import Path

from PIL import Image

from imagesearch.domain.errors import ConfigurationError, UnreadableImage
from imagesearch.embedding.calibration_file import calibrated
from imagesearch.embedding.image_encoder import OnnxImageEncoder
from imagesearch.embedding.session import signed_weights_are_exact
from imagesearch.embedding.text_encoder import OnnxTextEncoder
from local.models.installed import check_files, model_folder


def verify_model(name_or_path: str, data_dir: Path) -> Path:
    """Check every hash, load both graphs, and embed an image and a text.

    Raises UsageError, ConfigurationError, and ModelRefused for one that the self-test refused.
    """
    folder = model_folder(name_or_path, data_dir)
    manifest = check_files(folder)
    signed = any(entry.rewritten_from or entry.quantized for entry in manifest.files.values())
    if signed and not signed_weights_are_exact():
        raise ConfigurationError(
            f"{folder} has signed weights, which this CPU does not multiply exactly",
            "delete the folder and pull the model again on this machine",
        )
    images = OnnxImageEncoder(folder, manifest)
    try:
        (image,) = images.encode_images([_test_image()])
    finally:
        images.close()
    (text,) = OnnxTextEncoder(folder, manifest).encode_texts(["a photo of a dog"])
    if isinstance(image, UnreadableImage) or image.embedding.shape != text.shape:
        raise ConfigurationError(
            f"{folder} gives image and text vectors that cannot be compared", "pull it again"
        )
    calibrated(folder, manifest)
    return folder


def _test_image() -> bytes:
    data = io.BytesIO()
    Image.linear_gradient("L").save(data, "PNG")
    return data.getvalue()
