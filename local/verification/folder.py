"""The comparison of a folder with its index, and the repair."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from rich.console import Console

from imagesearch import bootstrap
from imagesearch.adapters.sqlite.damage import Damage, find_damage
from imagesearch.adapters.sqlite.damage import repair as repair_index
from imagesearch.adapters.sqlite.database import index_dimensions
from imagesearch.classification.label_records import described
from imagesearch.domain.errors import DamagedIndex, Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.embedding.model_catalog import STARTER
from imagesearch.indexing.comparison import Difference
from imagesearch.indexing.consistency import confirmed
from imagesearch.settings import Settings
from local.lambda_runtime import settings_of
from local.models.installed import model_folder
from local.sync.initial_indexing import index_with_progress
from local.sync.mount_points import load_mount_points
from local.sync.reconcile import open_engine
from local.terminal.output import print_line
from local.verification.derived import add_derived
from local.verification.findings import DAMAGED, KEPT, Finding, Findings
from local.workspace import Workspace

log = logging.getLogger(__name__)


def verify_folder(
    workspace: Workspace,
    model: str | None,
    console: Console,
    *,
    repair: bool,
    as_json: bool,
    thumbnails: bool = True,
) -> bool:
    """Print the differences of a folder; True if there are none, after the repair if requested."""
    name = model or workspace.model or STARTER
    settings = settings_of(workspace, model_folder(name, workspace.directory.parent))
    compare = partial(compare_folder, workspace, settings, as_json=as_json, thumbnails=thumbnails)
    findings = compare(repair=repair)
    print_line(console, findings.summary())
    if not (repair and findings.counts):
        return not findings.counts
    index_with_progress(open_engine(workspace, name), console)
    findings = compare()
    print_line(console, f"after the repair: {findings.summary()}")
    return not findings.counts


def compare_folder(
    workspace: Workspace,
    settings: Settings,
    *,
    as_json: bool,
    repair: bool = False,
    thumbnails: bool = True,
) -> Findings:
    """Print the differences; with `repair`, what is damaged is removed, so that it is missing."""
    store = bootstrap.folder_store(settings)
    store.set_mount_points(load_mount_points(workspace.directory))
    findings = Findings(store.bucket, as_json)
    damaged = set()
    for key, reason in damaged_rows(settings, repair=repair):
        damaged.add(key)
        findings.add(Finding(ImageRef(store.bucket, key), DAMAGED, reason))

    def unreachable(ref: ImageRef) -> None:
        findings.compared += 1
        findings.add(Finding(ref, KEPT, "its file cannot be seen"))

    try:
        index = bootstrap.vector_index(settings)
    except DamagedIndex:
        return findings
    for compared in confirmed(store, index, unreachable):
        findings.compared += 1
        ref, difference = compared.ref, compared.difference
        if not difference or ref.key in damaged:
            continue
        cause = store.unavailability(ref.key) if difference is Difference.GONE else None
        if cause and ref.bucket == store.bucket:
            findings.add(Finding(ref, KEPT, cause.reason))
        else:
            findings.add(Finding(ref, difference.value))
    add_derived(settings, findings, repair=repair, thumbnails=thumbnails)
    return findings


def damaged_rows(settings: Settings, *, repair: bool) -> Iterator[tuple[str, str]]:
    """Key and reason of all damage of an SQLite index and of its label sets.

    `repair` deletes damaged rows, or replaces the file.
    """
    if not settings.index_url.startswith("sqlite:"):
        return
    path, name = bootstrap.local_path(settings.index_url), bootstrap.index_name(settings)
    dimension = bootstrap.manifest_of(settings.model_uri).dimension
    rows = _damaged_rows(path, name, dimension, repair=repair)
    yield from ((each.key, each.reason) for each in rows)
    try:
        spaces = index_dimensions(path)
    except Unavailable:  # a damaged file, which has been reported
        return
    for space, dimension in spaces.items():
        if not space.startswith(f"{settings.index_prefix}-labels-"):
            continue
        for each in _damaged_rows(path, space, dimension, repair=repair, structure=False):
            yield described(each.key), f"{each.reason}: put the label set again"


def _damaged_rows(
    path: Path, name: str, dimension: int, *, repair: bool, structure: bool = True
) -> Iterator[Damage]:
    is_damaged = False
    for each in find_damage(path, name, dimension, structure=structure):
        is_damaged = True
        yield each
    if repair and is_damaged and (recovery := repair_index(path, name, dimension)):
        log.warning(
            "the damaged index file was renamed to %s; %s images were read from it",
            recovery.set_aside.name,
            f"{recovery.images:,}",
        )
