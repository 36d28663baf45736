"""Feedback and query adapters of a folder, or of a deployed system in S3.

A place is the derived store of either, with the model in use there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imagesearch import bootstrap
from imagesearch.domain.storage_keys import FEEDBACK
from imagesearch.json_objects import json_object
from imagesearch.learning.adapters import AdapterStore
from imagesearch.learning.history import History
from imagesearch.learning.tuner import Tuner
from local.aws.clients import s3_location
from local.errors import UsageError
from local.models.choice import model_in_use
from local.models.installed import model_folder
from local.workspace import selected_workspace

if TYPE_CHECKING:
    from imagesearch.domain.ports import DerivedStore


@dataclass(frozen=True)
class Place:
    """A derived store, and the folder of the model in use."""

    store: DerivedStore
    model: Path

    @property
    def adapters(self) -> AdapterStore:
        return bootstrap.adapter_store(str(self.model), self.store)

    @property
    def history(self) -> History:
        return History(self.store, self.adapters.space)

    @property
    def tuner(self) -> Tuner:
        return bootstrap.tuner(str(self.model), self.store)


def place_of(origin: str | None, folder: Path | None, data_dir: Path, model: str | None) -> Place:
    """The place of a folder, or of a derived-data bucket `origin`. Raises UsageError."""
    if origin:
        uri = str(s3_location(origin)).rstrip("/")
        if model is None:
            raise UsageError("name the model of the deployed system with --model")
        return Place(bootstrap.derived_at(uri), model_folder(model, data_dir))
    workspace = selected_workspace(folder, data_dir)
    workspace.must_be_indexed()
    used = model_folder(model_in_use(model, workspace), workspace.directory.parent)
    return Place(bootstrap.derived_at(workspace.derived.as_uri()), used)


def forgotten_keys(store: DerivedStore, before: str | None, user: str | None) -> Iterator[str]:
    """The keys of the feedback before a day, or of a user's pseudonym, of any model."""
    for key, _ in store.list_keys(FEEDBACK):
        if before is not None:
            day = "-".join(key.removeprefix(FEEDBACK).split("/")[:3])
            if day < before:
                yield key
        elif _is_of(store.get(key), user):
            yield key


def _is_of(data: bytes | None, user: str | None) -> bool:
    """True if a record is of this user; of a damaged one, if it contains the pseudonym."""
    data, user = data or b"", user or ""
    try:
        return bool(json_object(data)["user"] == user)
    except (ValueError, KeyError):
        return bool(user) and user.encode() in data
