"""One folder, its index and its model, joined as the functions join them."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

from rich.console import Console

from imagesearch import bootstrap
from imagesearch.adapters.folder_store import FolderStore
from imagesearch.errors import Unavailable
from imagesearch.indexing import Indexer
from imagesearch.planning import Outcome
from imagesearch.ports import VectorIndex
from imagesearch.settings import Settings
from local.environment import set_environment
from local.model_choice import model_folder, model_name
from local.progress import tracked
from local.reconcile import reconcile, vanished
from local.report import Report
from local.workspace import Workspace


@dataclass(frozen=True, slots=True)
class FolderEngine:
    workspace: Workspace
    settings: Settings
    store: FolderStore
    index: VectorIndex
    indexer: Indexer

    def reconcile(self, report: Report, console: Console) -> Iterator[Outcome]:
        """Look at everything in the folder and in the index. Raises Unavailable."""
        if not self.workspace.folder.is_dir():
            raise Unavailable(f"{self.workspace.folder} is not there")
        self.store.excludes.forget()
        for path, reason in self.store.passed_over():
            report.pass_over(path, reason)
        for found in self.store.left_out():
            report.leave_out(found)
        present = [ref for ref, _ in self.store.list_images()]
        outcomes = chain(
            reconcile(self.indexer, present),
            reconcile(self.indexer, vanished(self.store, self.index)),
        )
        for outcome in tracked(outcomes, len(present), console):
            report.add(outcome)
            yield outcome


def take_into_use(workspace: Workspace, model: str) -> FolderEngine:
    """The same as `open_engine`; a later search takes this folder and this model by default."""
    data_dir = workspace.directory.parent
    workspace.remember(model_name(model_folder(model, data_dir), data_dir))
    return open_engine(workspace, model)


def open_engine(workspace: Workspace, model: str) -> FolderEngine:
    """Load the model and open, or make, the index. Raises WrongUsage, ConfigurationError."""
    folder = model_folder(model, workspace.directory.parent)
    settings = set_environment(workspace, folder)
    return FolderEngine(
        workspace,
        settings,
        bootstrap.folder_store(settings),
        bootstrap.vector_index(settings),
        bootstrap.indexer(settings),
    )
