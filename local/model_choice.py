"""Which model a word on the command line means."""

from pathlib import Path

import imagesearch
from local.refusal import WrongUsage

STARTER = "starter"
_LAYERS = Path(imagesearch.__file__).resolve().parents[2]


def model_folder(wanted: str, data_dir: Path) -> Path:
    """The folder of a model known by name, or given as a path; raises WrongUsage."""
    known = known_models(data_dir)
    if wanted in known:
        return known[wanted]
    if _holds_model(folder := Path(wanted).expanduser()):
        return folder.resolve()
    raise WrongUsage(
        f"there is no model {wanted!r}: take one of {', '.join(known) or 'none'},"
        " or the path of a folder with a manifest.json"
    )


def model_name(folder: Path, data_dir: Path) -> str:
    """What names this model in every working directory."""
    names = (name for name, known in known_models(data_dir).items() if known == folder)
    return next(names, str(folder))


def known_models(data_dir: Path) -> dict[str, Path]:
    """The starter model, and those in the data directory's folder `models`, by name."""
    folders = {STARTER: _LAYERS / "starter_model" / "starter_model"}
    for folder in sorted((data_dir.expanduser() / "models").glob("*")):
        folders.setdefault(folder.name, folder.resolve())
    return {name: folder for name, folder in folders.items() if _holds_model(folder)}


def _holds_model(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()
