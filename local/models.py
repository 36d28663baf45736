"""Which model a word on the command line means."""

import os
from dataclasses import dataclass
from pathlib import Path

import imagesearch
from imagesearch.embedding.model_catalog import known_models as models_to_pull
from local.errors import WrongUsage
from local.model_cache import models_cache
from local.workspace import Workspace

STARTER, BETTER = "starter", "clip-vit-b-32"
_BETTER_NOTICE = (
    f"the starter model is in use; `imagesearch models pull {BETTER}` gets CLIP,"
    " which knows far more"
)
_LAYERS = Path(imagesearch.__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and what a user who did not ask for it should hear."""

    model: str
    notice: str = ""


def choice(given: str | None, recorded: str | None, known: dict[str, Path]) -> Choice:
    """What was asked for, else what the folder is indexed with, else the best that is here.

    A folder keeps its model: with another it would be embedded anew, unasked.
    """
    if given:
        return Choice(given)
    if recorded == STARTER and BETTER in known:
        return Choice(
            STARTER,
            f"this folder is indexed with the starter model; {BETTER} is here too:"
            f" `imagesearch reindex --model {BETTER}` fills an index for it,"
            f" and `--model {BETTER}` then takes it into use",
        )
    if recorded:
        notice = _BETTER_NOTICE if recorded == STARTER else ""
        return Choice(recorded, notice)
    return Choice(BETTER) if BETTER in known else Choice(STARTER, _BETTER_NOTICE)


def model_in_use(given: str | None, workspace: Workspace) -> str:
    """The model that a question about an indexed folder is put to."""
    return choice(given, workspace.model, known_models(workspace.directory.parent)).model


def model_folder(wanted: str, data_dir: Path) -> Path:
    """The folder of a model known by name, or given as a path; raises WrongUsage."""
    known = known_models(data_dir)
    if wanted in known:
        return known[wanted]
    if _holds_model(folder := Path(wanted).expanduser()):
        return folder.resolve()
    if wanted in (model.name for model in models_to_pull()):
        raise WrongUsage(f"{wanted} is not here yet: `imagesearch models pull {wanted}` gets it")
    raise WrongUsage(
        f"there is no model {wanted!r}: take one of {', '.join(known) or 'none'},"
        " or the path of a folder with a manifest.json"
    )


def model_name(folder: Path, data_dir: Path) -> str:
    """What names this model in every working directory."""
    names = (name for name, known in known_models(data_dir).items() if known == folder)
    return next(names, str(folder))


def known_models(data_dir: Path, cache: Path | None = None) -> dict[str, Path]:
    """The starter model, those in the data directory's `models`, and those pulled, by name."""
    folders = {STARTER: _LAYERS / "starter_model" / "starter_model"}
    for place in (data_dir.expanduser() / "models", cache or models_cache(os.environ)):
        # A name that begins with a dot is of a model that is still coming, or going.
        for folder in sorted(place.glob("[!.]*")):
            folders.setdefault(folder.name, folder.resolve())
    return {name: folder for name, folder in folders.items() if _holds_model(folder)}


def _holds_model(folder: Path) -> bool:
    return (folder / "manifest.json").is_file()
