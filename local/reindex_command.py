"""`imagesearch reindex`: fill the next model's index beside the one in use."""

import signal
import threading
from functools import partial

from rich.console import Console

from imagesearch import bootstrap
from local import functions
from local.commands.index import fill, say
from local.filling import Filling
from local.lambda_runtime import settings_of
from local.models import STARTER, model_folder, model_name
from local.sync.folder_sync import FolderSync
from local.sync.live_report import reporting
from local.sync.reconcile import FolderEngine, open_engine
from local.termination import interrupt
from local.workspace import Workspace


def fill_once(workspace: Workspace, model: str, console: Console) -> bool:
    """Bring the new index up to date, and leave; whether every image is searchable in it."""
    engine = _engine_to_come(workspace, model, console)
    return fill(engine, console) if engine else True


def fill_and_follow(workspace: Workspace, model: str, console: Console) -> None:
    """Fill the new index and keep it in step with the folder until interrupted or terminated."""
    signal.signal(signal.SIGTERM, interrupt)
    engine = _engine_to_come(workspace, model, console)
    if not engine:
        return
    filling = Filling(engine, model, console)
    handler = reporting(functions.index_images(), engine.store, engine.index, partial(say, console))
    sync = FolderSync(workspace.folder, engine.store, engine.index, handler, filling.outcomes)
    sync.start()
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        say(console, "stopped; the new index is brought up to date when it is taken into use")
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        sync.stop()


def _engine_to_come(workspace: Workspace, model: str, console: Console) -> FolderEngine | None:
    """None where the model in use has filled the very same index already."""
    data_dir = workspace.directory.parent
    in_use = model_folder(workspace.model or STARTER, data_dir)
    to_come = model_folder(model, data_dir)
    names = [bootstrap.index_name(settings_of(workspace, folder)) for folder in (in_use, to_come)]
    if names[0] == names[1]:
        workspace.expect(None)
        say(console, f"{model} uses the index that is in use already: there is nothing to fill")
        return None
    workspace.expect(model_name(to_come, data_dir))
    return open_engine(workspace, model)
