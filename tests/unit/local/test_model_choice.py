"""A model is chosen by its name or by the path of its folder."""

from pathlib import Path

import pytest

from local.model_choice import known_models, model_folder, model_name
from local.refusal import WrongUsage


def make_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text("{}")
    return folder


def test_the_starter_model_is_known_everywhere(tmp_path: Path) -> None:
    assert (model_folder("starter", tmp_path) / "manifest.json").is_file()


def test_a_model_in_the_data_directory_is_known_by_name(tmp_path: Path) -> None:
    made = make_model(tmp_path / "models" / "clip")
    (tmp_path / "models" / "half-fetched").mkdir()
    assert sorted(known_models(tmp_path)) == ["clip", "starter"]
    assert model_folder("clip", tmp_path) == made
    assert model_name(made, tmp_path) == "clip"


def test_any_other_folder_with_a_manifest_goes_by_its_path(tmp_path: Path) -> None:
    made = make_model(tmp_path / "elsewhere" / "clip")
    assert model_folder(str(made), tmp_path) == made
    assert model_name(made, tmp_path) == str(made)


def test_an_unknown_model_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(WrongUsage, match="no model 'clop': take one of starter"):
        model_folder("clop", tmp_path)
