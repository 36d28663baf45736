"""A switch between two models: the settings of the system in use, and of the one to come."""

from dataclasses import dataclass
from pathlib import Path

from imagesearch.settings import Settings
from local.errors import WrongUsage
from local.lambda_runtime import settings_of
from local.models import STARTER, model_folder
from local.s3_location import s3_location
from local.workspace import Workspace


@dataclass(frozen=True, slots=True)
class ModelSwitch:
    """`to_come` is None where no other model is known to be filled."""

    in_use: Settings
    to_come: Settings | None


def local_switch(workspace: Workspace, model: str | None, next_model: str | None) -> ModelSwitch:
    """What is not given is as the workspace remembers it. Raises WrongUsage."""
    data_dir = workspace.directory.parent

    def settings(name: str) -> Settings:
        return settings_of(workspace, model_folder(name, data_dir))

    to_come = next_model or workspace.next_model
    return ModelSwitch(
        settings(model or workspace.model or STARTER), settings(to_come) if to_come else None
    )


def deployed_switch(
    bucket: str,
    index_url: str | None,
    index_prefix: str,
    model: str | None,
    next_model: str | None,
    data_dir: Path,
) -> ModelSwitch:
    """Bucket and OpenSearch as the user's own credentials reach them. Raises WrongUsage."""
    if not (index_url and model):
        raise WrongUsage("of a deployed system say --index-url, and --model for the one in use")

    def settings(name: str) -> Settings:
        names = {"BUCKET": s3_location(bucket).bucket, "INDEX_URL": index_url}
        uri = name if name.startswith("s3://") else str(model_folder(name, data_dir))
        return Settings.from_environment(names | {"INDEX_PREFIX": index_prefix, "MODEL_URI": uri})

    return ModelSwitch(settings(model), settings(next_model) if next_model else None)
