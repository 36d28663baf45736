"""The label sets of an indexed folder, which commands change and completion lists."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from local.workspace import selected_workspace

if TYPE_CHECKING:
    from imagesearch.classification.label_sets import LabelSets


def label_sets(folder: Path | None, data_dir: Path, model: str | None) -> LabelSets:
    """The label sets of an indexed folder and its model. Raises UsageError."""
    from imagesearch import bootstrap
    from local.lambda_runtime import settings_of
    from local.models.choice import model_in_use
    from local.models.installed import model_folder

    workspace = selected_workspace(folder, data_dir)
    workspace.must_be_indexed()
    used = model_folder(model_in_use(model, workspace), workspace.directory.parent)
    return bootstrap.label_sets(settings_of(workspace, used))
