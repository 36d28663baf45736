"""`imagesearch classify`: rank labels for one image, by an indexed folder or a deployed API."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from local.data_directory import DATA_DIR
from local.errors import UsageError
from local.options import DataDir, Endpoint, Folder, Json, Model, end_without_results, image_bytes
from local.terminal.completion import label_set_names
from local.workspace import Workspace, selected_workspace

if TYPE_CHECKING:
    from imagesearch.classification.classifier import LabelScore
    from imagesearch.client.responses import LearnedLabels

LabelRow: TypeAlias = dict[str, Any]


def classify(
    image: Annotated[Path, typer.Argument(metavar="FILE", help="Image file.")],
    labels: Annotated[
        str | None, typer.Option(help="Candidate labels, separated by commas.")
    ] = None,
    labelset: Annotated[
        str | None,
        typer.Option(
            help="Label set created with `imagesearch labels put`.", autocompletion=label_set_names
        ),
    ] = None,
    neighbours: Annotated[
        int | None,
        typer.Option(min=1, max=100, help="Number of similar images that vote, without labels."),
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=64,
            help="With --labels: learn from up to this many indexed images per label, which are in"
            " the subfolder of this name (with --endpoint: which have this metadata.label).",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=200, help="Maximum number of labels.")] = 10,
    folder: Folder = None,
    as_json: Json = False,
    endpoint: Endpoint = None,
    data_dir: DataDir = DATA_DIR,
    model: Model = None,
) -> None:
    """Classify an image by labels, or by the subfolders of the most similar images.

    Exit status 1: no similar image has a label.
    """
    if sum(each is not None for each in (labels, labelset, neighbours)) > 1:
        raise UsageError("give only one of --labels, --labelset and --neighbours")

    if shots is not None and labels is None:
        raise UsageError("give --labels with --shots")
    candidates = labels.split(",") if labels is not None else None
    options = ClassifyOptions(image, candidates, labelset, neighbours, limit, shots)
    if endpoint:
        scored, learned = classify_at_endpoint(endpoint, options)
    else:
        scored, learned = classify_image(selected_workspace(folder, data_dir), model, options)
    from local.terminal.tables import print_json_lines, print_table

    if learned:
        typer.echo(learned, err=True)
    if as_json:
        print_json_lines(scored)
    else:
        print_table(["score", "label"], [[f"{row['score']:.3f}", row["label"]] for row in scored])
    if not scored:
        end_without_results("no similar image has a label")


@dataclass(frozen=True, slots=True)
class ClassifyOptions:
    """The image and its candidate labels or label set; without either, `neighbours` images vote.

    With `shots`, labels are learned from indexed images.
    """

    image: Path
    labels: list[str] | None
    labelset: str | None
    neighbours: int | None
    limit: int
    shots: int | None = None


def classify_image(
    workspace: Workspace, model: str | None, options: ClassifyOptions
) -> tuple[list[LabelRow], str]:
    """The best labels in the API's shape, and the result of learning from examples, as a sentence.

    Files have no metadata: images that vote or are examples are labeled by their subfolder. Raises
    UsageError, and the errors of the use case.
    """
    from imagesearch import bootstrap
    from imagesearch.classification.classifier import Vote
    from imagesearch.classification.examples import LabelSource, RecordedExamples
    from imagesearch.domain.queries import ImageQuery
    from local.lambda_runtime import settings_of
    from local.models.choice import model_in_use
    from local.models.installed import model_folder

    workspace.must_be_indexed()
    image = ImageQuery(image_bytes(options.image))
    data_dir = workspace.directory.parent
    folder = model_folder(model_in_use(model, workspace), data_dir)
    classifier = bootstrap.classifier(settings_of(workspace, folder))
    if options.labels is not None:
        shots = options.shots
        examples = RecordedExamples(shots, LabelSource.COLLECTION) if shots else None
        result = classifier.by_labels(image, options.labels, examples)
    elif options.labelset is not None:
        result = classifier.by_labelset(image, options.labelset)
    else:
        vote = Vote(source=LabelSource.COLLECTION)
        if options.neighbours:
            vote = Vote(options.neighbours, vote.source)
        result = classifier.by_neighbors(image, vote)
    rows = [_label_row(each) for each in result.labels[: options.limit]]
    return rows, result.learned.sentence() if result.learned else ""


def classify_at_endpoint(endpoint: str, options: ClassifyOptions) -> tuple[list[LabelRow], str]:
    """As `classify_image`, as a deployed API returns them. Raises UsageError."""
    from local.endpoint import api_at

    names = ("labels", "labelset", "neighbours", "limit", "shots")
    fields = {name: value for name in names if (value := getattr(options, name)) is not None}
    with api_at(endpoint) as api:
        response = api.classify(image_bytes(options.image), **fields)
    rows = [dict(each) for each in response["labels"]]
    # A server of an earlier release does not send it.
    learned = response.get("learned")
    return rows, _sentence(learned) if learned else ""


def _sentence(learned: LearnedLabels) -> str:
    from imagesearch.classification.few_shot import sentence

    accuracy = learned["accuracy_before"], learned["accuracy_after"]
    return sentence(learned["examples"], accuracy, learned["margin"] or 0, learned["reason"] or "")


def _label_row(scored: LabelScore) -> LabelRow:
    score = round(scored.score, 6)
    return {"label": scored.label, "score": score, "similarity": scored.similarity}
