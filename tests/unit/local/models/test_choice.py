"""A model is selected by its name or by the path of its folder."""

from pathlib import Path

import pytest

from local.errors import UsageError
from local.models.choice import choice
from local.models.installed import installed_models, model_folder, model_name


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    return folder


def test_the_starter_model_is_known_everywhere(tmp_path: Path) -> None:
    assert (model_folder("starter", tmp_path) / "manifest.json").is_file()


def test_a_model_in_the_data_directory_is_known_by_name(tmp_path: Path) -> None:
    made = make_model(tmp_path / "models" / "clip")
    (tmp_path / "models" / "half-fetched").mkdir()
    assert sorted(installed_models(tmp_path)) == ["clip", "starter"]
    assert model_folder("clip", tmp_path) == made
    assert model_name(made, tmp_path) == "clip"


def test_any_other_folder_with_a_manifest_is_selected_by_path(tmp_path: Path) -> None:
    made = make_model(tmp_path / "elsewhere" / "clip")
    assert model_folder(str(made), tmp_path) == made
    assert model_name(made, tmp_path) == str(made)


def test_an_unknown_model_is_rejected_with_the_known_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no model 'clop': use one of starter"):
        model_folder("clop", tmp_path)


def test_a_pulled_model_is_known_once_complete(tmp_path: Path) -> None:
    made = make_model(tmp_path / "cache" / "clip-vit-b-32")
    make_model(tmp_path / "cache" / ".other.coming")
    known = installed_models(tmp_path, tmp_path / "cache")
    assert sorted(known) == ["clip-vit-b-32", "starter"]
    assert known["clip-vit-b-32"] == made


def test_a_missing_catalog_model_is_reported_with_the_pull_command(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="imagesearch models pull siglip2-b-16"):
        model_folder("siglip2-b-16", tmp_path)


HERE = Path("somewhere")
BOTH, ONE = {"starter": HERE, "clip-vit-b-32": HERE}, {"starter": HERE}


@pytest.mark.parametrize(
    ("given", "recorded", "known", "model", "message"),
    [
        (None, None, ONE, "starter", "serve --model clip-vit-b-32"),
        (None, None, BOTH, "clip-vit-b-32", ""),
        (None, "starter", ONE, "starter", "serve --model clip-vit-b-32"),
        (None, "starter", BOTH, "starter", "serve --model clip-vit-b-32"),
        (None, "clip-vit-b-32", BOTH, "clip-vit-b-32", ""),
        (None, "/my/model", ONE, "/my/model", ""),
        ("starter", "clip-vit-b-32", BOTH, "starter", ""),
    ],
)
def test_an_indexed_folder_keeps_its_model_and_a_new_one_gets_the_best(
    given: str | None, recorded: str | None, known: dict[str, Path], model: str, message: str
) -> None:
    chosen = choice(given, recorded, known)
    assert chosen.model == model
    assert message in chosen.notice
    assert bool(chosen.notice) == bool(message)
