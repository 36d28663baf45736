"""The model that a command uses for a folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from imagesearch.embedding.model_catalog import STARTER
from local.models.installed import installed_models
from local.workspace import Workspace

BETTER = "clip-vit-b-32"
_BETTER_NOTICE = (
    f"using the starter model; `imagesearch serve --model {BETTER}` installs CLIP, which recognizes"
    " far more, and switches to it"
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A model, and a notice for a user who did not name one."""

    model: str
    notice: str = ""


def choice(requested: str | None, recorded: str | None, installed: dict[str, Path]) -> Choice:
    """The requested model, else the one of the folder's index, else the best that is installed.

    A folder keeps its model: another one would embed every image again without a request.
    """
    if requested:
        return Choice(requested)
    if recorded == STARTER and BETTER in installed:
        return Choice(
            STARTER,
            f"this folder is indexed with the starter model, and {BETTER} is installed:"
            f" `imagesearch serve --model {BETTER}` switches to it while searches continue",
        )
    if recorded:
        notice = _BETTER_NOTICE if recorded == STARTER else ""
        return Choice(recorded, notice)
    return Choice(BETTER) if BETTER in installed else Choice(STARTER, _BETTER_NOTICE)


def model_in_use(requested: str | None, workspace: Workspace) -> str:
    """The model that answers queries about an indexed folder."""
    return choice(requested, workspace.model, installed_models(workspace.directory.parent)).model


def model_to_index_with(requested: str | None, workspace: Workspace) -> str:
    """The model to index a folder with; prints the notice of the choice on standard error."""
    chosen = choice(requested, workspace.model, installed_models(workspace.directory.parent))
    if chosen.notice:
        print(f"imagesearch: {chosen.notice}", file=sys.stderr)  # noqa: T201
    return chosen.model
