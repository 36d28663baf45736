"""Selection of the model that `serve` starts with, and of the one that it switches to."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from imagesearch import bootstrap
from imagesearch.domain.errors import ConfigurationError, ImageSearchError
from imagesearch.embedding.model_catalog import STARTER
from local.errors import UsageError
from local.lambda_runtime import settings_of
from local.model_switch.install import ensure_tested, failure_text, megabytes
from local.models.choice import BETTER, choice
from local.models.installation import install_with_progress
from local.models.installed import (
    installed_models,
    is_of_catalog,
    model_folder,
    model_name,
    models_cache,
    must_be_tested,
)
from local.models.sources import catalog_entries
from local.terminal.output import print_line
from local.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rich.console import Console

    from imagesearch.embedding.model_catalog import CatalogEntry


@dataclass(frozen=True, slots=True)
class Selection:
    """The model to start with, and the model to switch to, which may not be installed."""

    model: str
    next_model: str | None = None


def select_models(
    requested: str | None,
    workspace: Workspace,
    console: Console,
    *,
    yes: bool,
    install: Callable[[CatalogEntry, Path, Console], str] = install_with_progress,
    test: Callable[[str, Path, Console], None] = ensure_tested,
) -> Selection:
    """The models for a folder, after the installation of the requested model if necessary.

    An indexed folder starts with its own model: the requested one is installed, and its index
    filled, while the folder is served. With `yes`, missing models are downloaded without a prompt.

    Raises UsageError.
    """
    cache = models_cache(os.environ)
    installed = installed_models(workspace.directory.parent, cache)
    if requested is None and (workspace.model or BETTER not in installed):
        return _resumed(workspace, installed, console)
    requested = requested or BETTER
    own = _usable_model(requested, workspace, installed)
    data_dir = workspace.directory.parent
    entry = _entry_to_install(requested, installed)
    if entry is None:
        folder = model_folder(requested, data_dir)
        if not must_be_tested(requested, folder):
            return _of_installed(requested, own, workspace)
        requested = model_name(folder, data_dir)
    elif requested not in installed and not _may_download(entry, cache, yes):
        if own is None:
            raise UsageError(f"{workspace.model}, the model of this folder, is not installed")
        print_line(console, f"{requested} is not installed: searching with {own}")
        return Selection(own)
    if workspace.model and own and own != requested:
        return Selection(own, requested)
    try:
        if entry:
            print_line(console, install(entry, cache, console))
        else:
            test(requested, data_dir, console)
    except (ImageSearchError, UsageError) as error:
        if own is None or own == requested:
            raise
        print_line(console, failure_text(error))
        print_line(console, f"searching with {own}")
        return Selection(own)
    return Selection(requested)


def _usable_model(requested: str, workspace: Workspace, installed: dict[str, Path]) -> str | None:
    """The model to use without the requested one; None if the folder's own is not installed."""
    if not workspace.model:
        return BETTER if BETTER in installed and requested != BETTER else STARTER
    try:
        model_folder(choice(None, workspace.model, installed).model, workspace.directory.parent)
    except UsageError:
        return None
    return workspace.model


def _resumed(workspace: Workspace, installed: dict[str, Path], console: Console) -> Selection:
    """The folder's own model, and the next one if a switch to it was interrupted."""
    chosen = choice(None, workspace.model, installed)
    if workspace.switching and workspace.next_model:
        try:
            model_folder(workspace.next_model, workspace.directory.parent)
        except UsageError as error:
            print_line(console, f"the switch to {workspace.next_model} is canceled: {error}")
            workspace.expect(None)
        else:
            return Selection(chosen.model, workspace.next_model)
    if chosen.notice:
        print_line(console, f"imagesearch: {chosen.notice}")
    return Selection(chosen.model)


def _entry_to_install(name: str, installed: dict[str, Path]) -> CatalogEntry | None:
    """The catalog entry of a model that must be downloaded, or is in the cache without a test."""
    if (folder := installed.get(name)) and not (
        is_of_catalog(name, folder) and must_be_tested(name, folder)
    ):
        return None
    return next((each for each in catalog_entries() if each.name == name), None)


def _may_download(model: CatalogEntry, cache: Path, yes: bool) -> bool:
    size = megabytes(model.bytes)
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(
            f"{model.name} is not installed: use --yes to download it ({size}, to {cache}),"
            f" or run `imagesearch models pull {model.name}` first"
        )
    question = f"{model.name} is not installed. Download it ({size}) to {cache}?"
    return typer.confirm(question, default=True, err=True)


def _of_installed(requested: str, own: str | None, workspace: Workspace) -> Selection:
    data_dir = workspace.directory.parent
    name = model_name(model_folder(requested, data_dir), data_dir)
    if not workspace.model or own in (None, name) or _is_filled(name, own, workspace):
        if workspace.switching and workspace.next_model != name:
            workspace.expect(None)
        return Selection(requested)
    return Selection(own, name)


def _is_filled(name: str, own: str, workspace: Workspace) -> bool:
    """True if the index of a model has as many images as the folder's own, or is the same.

    Also true if the folder's own model cannot be used any more.
    """
    data_dir = workspace.directory.parent
    try:
        settings = [settings_of(workspace, model_folder(each, data_dir)) for each in (name, own)]
        names = [bootstrap.index_name(each) for each in settings]
        indexes = bootstrap.vector_indexes(settings[0])
        filled, current = (
            indexes[each].health().images if each in indexes else 0 for each in names
        )
    except (UsageError, ConfigurationError):
        return True
    return names[0] == names[1] or filled >= current
