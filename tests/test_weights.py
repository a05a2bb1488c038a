"""The shipped weights: each as its record says, and each recipe still the one of it."""

import json
import re

import pytest
import safetensors.torch
import torch

from gdlbook._model import shipped
from gdlbook.generative.framework import GenerativeModel
from recipes import every
from recipes.recipe import FIRST, WEIGHTS, Recipe

RECIPES = [recipe for _, recipe in every() if isinstance(recipe, Recipe)]
one_each = pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.stem)
MEGABYTE = 1_000_000


def record(recipe):
    return json.loads((WEIGHTS / f"{recipe.stem}.json").read_text("utf-8"))


def test_every_file_has_a_recipe_and_every_recipe_its_files():
    made = {f"{r.stem}.{end}" for r in RECIPES for end in ("json", "safetensors")}
    there = {file.name for file in WEIGHTS.iterdir()} - {"README.md"}
    assert made == there


def test_the_weights_are_small():
    sizes = [file.stat().st_size for file in WEIGHTS.glob("*.safetensors")]
    assert max(sizes, default=0) <= MEGABYTE
    assert sum(sizes) <= 8 * MEGABYTE


@one_each
def test_shipped_weights_reach_the_figures_of_their_record(recipe):
    told = record(recipe)
    model = recipe.kind.pretrained(recipe.name)
    assert not model.training
    assert sum(p.numel() for p in model.parameters()) == told["parameters"]
    assert recipe.measured(model) == pytest.approx(told["figures"], rel=0.01, abs=0.005)


@one_each
def test_a_recipe_begins_as_its_record_says(recipe):
    told = record(recipe)
    assert told["model"] == json.loads(json.dumps(recipe.model))
    assert told["training"] == recipe.settings(recipe.steps)
    losses = recipe.first_losses()
    assert losses.keys() == told["first_losses"].keys()
    for name, expected in told["first_losses"].items():
        assert len(expected) == FIRST
        assert losses[name] == pytest.approx(expected, rel=1e-3, abs=1e-4)


class Small(GenerativeModel):
    def __init__(self, size):
        super().__init__()
        self.w = torch.nn.Parameter(torch.zeros(size))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "FOLDER", tmp_path)
    content = safetensors.torch.save({"w": torch.arange(3.0)})
    (tmp_path / "small-three.safetensors").write_bytes(content)
    told = {"model": {"size": 3}, "sha256": shipped.hashlib.sha256(content).hexdigest()}
    (tmp_path / "small-three.json").write_text(json.dumps(told))
    return tmp_path


def test_pretrained_loads_the_weights_in_evaluation_mode(folder):
    model = Small.pretrained("three")
    assert model.w.tolist() == [0, 1, 2]
    assert not model.training


def test_unknown_weights_are_named(folder):
    with pytest.raises(
        ValueError, match=r"no weights of Small .* 'four'; there are 'thr"
    ):
        Small.pretrained("four")
    with pytest.raises(ValueError, match=r"no weights of GenerativeModel .* are none"):
        GenerativeModel.pretrained("four")


def test_damaged_weights_are_refused(folder):
    file = folder / "small-three.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(
        ValueError, match=re.escape("the weights Small 'three' are dam")
    ):
        Small.pretrained("three")
