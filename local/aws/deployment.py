"""The settings of a deployed system, read from the outputs of its stack."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local.errors import UsageError

if TYPE_CHECKING:
    from imagesearch.settings import Settings

OUTPUTS = (
    *("BucketName", "DerivedBucketName", "OpenSearchEndpoint", "IndexPrefix", "ModelUri"),
    "BackfillQueueUrl",
)


@dataclass(frozen=True, slots=True)
class Deployment:
    """The settings of a deployed system, and the queue to which its repairs are sent."""

    settings: Settings
    queue_url: str


def read_deployment(
    stack: str,
    index_url: str | None,
    model: str | None,
    data_dir: Path,
    clients: Any = None,
    **buckets: str,
) -> Deployment:
    """The deployment of a stack, read from its outputs.

    index_url, model: replace the stack's OpenSearch endpoint and its model.
    buckets: the bucket names that these outputs must have.

    Raises UsageError.
    """
    from imagesearch.settings import Settings
    from local.aws.clients import aws_client, stack_outputs

    outputs = stack_outputs(stack, (clients or aws_client)("cloudformation"))
    if missing := [name for name in OUTPUTS if name not in outputs]:
        raise UsageError(f"the stack {stack} has no output {missing[0]}: deploy it again")
    _check_buckets(stack, outputs, buckets)
    names = {
        "BUCKET": outputs["BucketName"],
        "INDEX_URL": index_url or outputs["OpenSearchEndpoint"],
        "INDEX_PREFIX": outputs["IndexPrefix"],
        "MODEL_URI": _model_uri(outputs["ModelUri"], model, data_dir),
        "DERIVED_URI": f"s3://{outputs['DerivedBucketName']}",
    }
    return Deployment(Settings.from_environment(names), outputs["BackfillQueueUrl"])


def _check_buckets(stack: str, outputs: Mapping[str, str], buckets: Mapping[str, str]) -> None:
    """Raise UsageError if an output names another bucket."""
    uses = {"BucketName": "indexes", "DerivedBucketName": "stores feedback in"}
    for output, bucket in buckets.items():
        if outputs[output] != bucket:
            raise UsageError(
                f"the stack {stack} {uses[output]} s3://{outputs[output]}, not s3://{bucket}:"
                " name its bucket, or another stack with --stack"
            )


def _model_uri(deployed: str, model: str | None, data_dir: Path) -> str:
    """A URI of the deployed model that this machine can read. Raises UsageError."""
    from imagesearch.embedding.model_catalog import STARTER
    from local.models.installed import model_folder

    if model is None and deployed.startswith("s3://"):
        return deployed
    if model is None and deployed != "/opt/starter_model":
        raise UsageError(f"the model {deployed} is in a layer: name its folder with --model")
    return str(model_folder(model or STARTER, data_dir))
