"""Completion of the names of models and label sets; commands and options complete by themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def installed_model_names(incomplete: str) -> list[str]:
    """The installed models, which commands can use."""
    from local.models.installed import installed_models

    return _starting(incomplete, installed_models(_data_dir({})))


def model_names(incomplete: str) -> list[str]:
    """The installed models and those of the catalog, which `serve` and `models pull` download."""
    from local.models.installed import installed_models
    from local.models.sources import catalog_entries

    catalog = [entry.name for entry in catalog_entries()]
    return _starting(incomplete, dict.fromkeys([*installed_models(_data_dir({})), *catalog]))


def label_set_names(ctx: Any, incomplete: str) -> list[str]:
    """The label sets of the folder; none if the folder has no index."""
    from imagesearch.domain.errors import ImageSearchError
    from local.errors import UsageError
    from local.label_sets import label_sets

    folder = ctx.params.get("folder")
    try:
        data_dir = _data_dir(ctx.params)
        counts = label_sets(Path(folder) if folder else None, data_dir, None).counts()
    except (UsageError, ImageSearchError):
        return []
    return _starting(incomplete, counts)


def _data_dir(given: dict[str, Any]) -> Path:
    """The data directory; completion does not adopt one of an earlier release."""
    import os

    from local.data_directory import DATA_DIR, user_data_dir

    option = given.get("data_dir")
    named = os.environ.get("IMAGESEARCH_DATA_DIR")
    if option and Path(option) != DATA_DIR:
        return Path(option)
    return Path(named) if named else user_data_dir()


def _starting(incomplete: str, names: Any) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]
