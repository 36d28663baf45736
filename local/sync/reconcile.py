"""Reconciliation of the index with the whole folder, including changes that were not watched.

`FolderEngine` joins a folder, its index and its model as the functions do.
"""

import logging
import os
from collections.abc import Callable, Container, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from typing import TypeAlias

from rich.console import Console

from imagesearch import bootstrap
from imagesearch.adapters.filesystem.image_store import FolderStore, Unavailability
from imagesearch.adapters.filesystem.mounts import MountPoint
from imagesearch.adapters.filesystem.walk import ExcludedEntry, ListedFile, Mounted
from imagesearch.domain.errors import DamagedIndex, Unavailable
from imagesearch.domain.images import ImageRef
from imagesearch.domain.ports import VectorIndex
from imagesearch.indexing.indexer import Indexer
from imagesearch.indexing.planner import Outcome
from imagesearch.settings import Settings
from local.lambda_runtime import set_environment
from local.models.installed import model_folder, model_name
from local.sync.mount_points import load_mount_points, save_mount_points
from local.sync.report import Report
from local.terminal.output import tracked
from local.workspace import Workspace

log = logging.getLogger(__name__)
CHUNK_KEYS = 32
PAGE = 1_000

# Decides on the records of unavailable files: True deletes them.
Forget: TypeAlias = Callable[[Report], bool]


def keep_records(_: Report) -> bool:
    """Keep the records of unavailable files."""
    return False


def reconcile(indexer: Indexer, present: Iterable[ImageRef]) -> Iterator[Outcome]:
    """Process every key, and yield an outcome for each.

    The duplicates of a chunk are linked while the next chunk is embedded: linking uses one core.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="link") as linking:
        previous: Future[list[Outcome]] | None = None
        for refs in _chunks(present):
            settled = indexer.update(refs)
            if previous:
                yield from previous.result()
            previous = linking.submit(indexer.link, settled)
        if previous:
            yield from previous.result()


def missing_images(
    store: FolderStore,
    index: VectorIndex,
    listed: Container[str],
    unavailable: dict[ImageRef, Unavailability],
) -> Iterator[ImageRef]:
    """Images that the index holds and the folder does not; `listed` are the keys of the folder.

    Images that are unavailable, and so may still exist, are added to `unavailable` instead. Raises
    Unavailable.
    """
    after = None
    folders: dict[str, Unavailability] = {}
    while page := index.list_documents(after=after, limit=PAGE):
        for ref in (document.ref for document in page if document.ref.key not in listed):
            folder = ref.key.rpartition("/")[0]
            if cause := folders.get(folder) or _unavailability(store, ref.key):
                unavailable[ref] = cause
                if cause.covers(folder):
                    folders[folder] = cause
            elif _is_gone(store, ref):
                yield ref
        after = page[-1].ref.key


def _unavailability(store: FolderStore, key: str) -> Unavailability | None:
    try:
        return store.unavailability(key)
    except Unavailable as error:
        return Unavailability(key, error.message)


def _is_gone(store: FolderStore, ref: ImageRef) -> bool:
    try:
        return store.head(ref) is None
    except Unavailable:  # since a moment ago; the next run decides
        return False


def _chunks(refs: Iterable[ImageRef]) -> Iterator[list[ImageRef]]:
    chunk: list[ImageRef] = []
    for ref in refs:
        chunk.append(ref)
        if len(chunk) == CHUNK_KEYS:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@dataclass(slots=True)
class Survey:
    """The result of a walk over the folder: keys, mount points, folders that cannot be listed."""

    present: list[ImageRef] = field(default_factory=list)
    mount_points: dict[str, MountPoint] = field(default_factory=dict)
    unlisted: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class FolderEngine:
    """A folder, its index, and the indexer with its model."""

    workspace: Workspace
    settings: Settings
    store: FolderStore
    index: VectorIndex
    indexer: Indexer

    def reconcile(
        self,
        report: Report,
        console: Console,
        forget: Forget = keep_records,
        progress: Callable[[int, int], None] | None = None,
    ) -> Iterator[Outcome]:
        """Process every key of the folder and of the index; a damaged index is recovered first.

        Raises Unavailable. `forget` decides on the records of unavailable files. `progress` is
        called with the numbers of processed and of all images in the folder.
        """
        try:
            yield from self._reconcile(report, console, forget, progress)
        except DamagedIndex as error:
            recover_index(self.settings, error)
            report.clear()
            yield from self._reconcile(report, console, forget, progress)

    def _reconcile(
        self,
        report: Report,
        console: Console,
        forget: Forget,
        progress: Callable[[int, int], None] | None,
    ) -> Iterator[Outcome]:
        if not os.path.isdir(self.workspace.folder):  # noqa: PTH112 - Path.is_dir raises
            raise Unavailable(f"{self.workspace.folder} does not exist")
        self.store.excludes.clear_caches()
        known = load_mount_points(self.workspace.directory)
        survey = self._survey(report)
        # A new mount may hide files that were indexed below its mount point.
        self.store.set_mount_points(known or survey.mount_points, survey.unlisted)
        if survey.present and not known:
            save_mount_points(self.workspace.directory, survey.mount_points)
        unavailable: dict[ImageRef, Unavailability] = {}
        listed = {ref.key for ref in survey.present}
        outcomes = chain(
            reconcile(self.indexer, survey.present),
            reconcile(self.indexer, missing_images(self.store, self.index, listed, unavailable)),
        )
        total = len(survey.present)
        for done, outcome in enumerate(tracked(outcomes, total, console), start=1):
            report.add(outcome)
            if progress:
                progress(min(done, total), total)
            yield outcome
        report.add_kept(unavailable.values())
        if unavailable and forget(report):
            report.kept.clear()
            with self.store.treating_as_deleted([ref.key for ref in unavailable]):
                for outcome in reconcile(self.indexer, unavailable):
                    report.add(outcome)
                    yield outcome
            unavailable.clear()
        self._remember(known, survey, unavailable)

    def clean_up(self) -> None:
        """Delete thumbnails that no record of any model names, once they are a day old.

        They remain where a process died between a thumbnail and its record. What cannot be deleted
        is left for the next run.
        """
        try:
            bootstrap.thumbnail_cleanup(self.settings).clean_up("", lambda: False)
        except Unavailable as error:
            log.warning("cannot delete old thumbnails: %s", error.message)

    def _survey(self, report: Report) -> Survey:
        survey = Survey()
        for entry in self.store.walk():
            if isinstance(entry, ListedFile):
                survey.present.append(entry.ref)
            elif isinstance(entry, Mounted):
                survey.mount_points[entry.key] = entry.mount_point
            elif isinstance(entry, ExcludedEntry):
                report.add_excluded(entry)
            else:
                if entry.unlisted:
                    survey.unlisted.append(entry.path)
                report.add_inaccessible(entry.path, entry.reason)
        return survey

    def _remember(
        self,
        known: dict[str, MountPoint],
        survey: Survey,
        unavailable: dict[ImageRef, Unavailability],
    ) -> None:
        """Store the current mount points, and keep the previous ones of missing filesystems."""
        missing = {ref.key: cause.path for ref, cause in unavailable.items() if cause.filesystem}
        kept = set(missing.values())
        kept |= {
            folder
            for folder in survey.mount_points
            if any(key.startswith(folder + "/") for key in missing)
        }
        current = {key: each for key, each in survey.mount_points.items() if key not in kept}
        previous = {key: each for key, each in known.items() if key in kept}
        mount_points = current | previous
        self.store.set_mount_points(mount_points, survey.unlisted)
        if mount_points != known:
            save_mount_points(self.workspace.directory, mount_points)


def activate(workspace: Workspace, model: str, reread: bool = False) -> FolderEngine:
    """Open the engine, and make this folder and this model the defaults of later searches.

    With `reread`, unchanged files are read, too. Raises UsageError, ConfigurationError.
    """
    data_dir = workspace.directory.parent
    workspace.remember(model_name(model_folder(model, data_dir), data_dir))
    return open_engine(workspace, model, reread)


def open_engine(workspace: Workspace, model: str, reread: bool = False) -> FolderEngine:
    """Load the model, and open or create the index.

    With `reread`, unchanged files are read, too. Raises UsageError, ConfigurationError.
    """
    folder = model_folder(model, workspace.directory.parent)
    settings = set_environment(workspace, folder)
    try:
        bootstrap.vector_index(settings)
    except DamagedIndex as error:
        recover_index(settings, error)
    return engine_with(workspace, settings, bootstrap.indexer(settings, reread))


def engine_with(workspace: Workspace, settings: Settings, indexer: Indexer) -> FolderEngine:
    """The engine of a folder with this indexer; opens or creates the index."""
    # The store that the functions use: it records which mount points are missing.
    store = bootstrap.folder_store(settings)
    store.set_mount_points(load_mount_points(workspace.directory))
    return FolderEngine(workspace, settings, store, bootstrap.vector_index(settings), indexer)


def recover_index(settings: Settings, error: DamagedIndex) -> None:
    """Set the damaged index file of a folder aside, and recover what can be read from it.

    Raises Unavailable, and `error` for an index of another kind.
    """
    from imagesearch.adapters.sqlite.recovery import recover

    if not settings.index_url.startswith("sqlite:"):
        raise error
    path, name = bootstrap.local_path(settings.index_url), bootstrap.index_name(settings)
    recovery = recover(path, name, bootstrap.manifest_of(settings.model_uri).dimension)
    log.warning("%s", error.message)
    log.warning(
        "it was renamed to %s; %s images were read from it, others are indexed again",
        recovery.set_aside.name,
        f"{recovery.images:,}",
    )
