"""The taxonomy: every model found, in its place, and answering as its flag says."""

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from gdlbook.generative import taxonomy
from gdlbook.generative.framework import Density, GenerativeModel, Undefined
from gdlbook.generative.taxonomy import (
    VERBS,
    abilities,
    chapter,
    models,
    place,
    refusals,
    tree,
)

ROOT = Path(__file__).parents[2]
PROMISED = {
    Density.EXACT: {"log_prob"},
    Density.BOUND: {"elbo"},
    Density.UNNORMALIZED: {"energy"},
    Density.IMPLICIT: set(),
}


class Coin(GenerativeModel):
    density = Density.EXACT

    def sample(self, n, *, generator=None):
        return torch.randint(2, (n,), generator=generator)

    def log_prob(self, x):
        return torch.full(x.shape, 0.5).log()


class Decoder(GenerativeModel):
    density = Density.IMPLICIT
    latent_size = 3

    def sample(self, n, *, generator=None):
        return self.decode(torch.randn(n, 3, generator=generator))

    def decode(self, z):
        assert z.shape == (4, 3)
        return z @ torch.ones(3, 2)


class Wrong(Coin):
    def log_prob(self, x):
        return torch.zeros(1)


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_a_model_answers_what_its_flag_promises_and_nothing_else(model):
    answered = dict(zip(VERBS, abilities(model.example()), strict=True))
    densities = {verb for verb in ("log_prob", "elbo", "energy") if answered[verb]}
    assert answered["sample"]
    assert densities == PROMISED[model.density]
    if answered["encode"]:
        assert answered["decode"]


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_the_sentence_of_a_refusal_names_the_model_and_the_verb(model):
    for verb, sentence in refusals(model.example()).items():
        assert sentence.startswith(f"{model.__name__} has no {verb}: ")
        assert sentence.endswith(".")


@pytest.mark.parametrize("model", models(), ids=lambda m: m.__name__)
def test_a_model_is_linked_to_its_chapter_on_the_page(model):
    page = (ROOT / "docs/generative/taxonomy.md").read_text("utf-8")
    stem = chapter(model)
    part, name = stem.split("/")
    link = f"{name}.md" if part == "generative" else f"../{stem}.md"
    assert (ROOT / f"docs/{stem}.md").is_file()
    assert re.search(rf"`{model.__name__}`.*\]\({link}\)", page), link


def test_the_models_of_the_chapters_are_found_and_no_others():
    names = [model.__name__ for model in models()]
    assert names == sorted(names)
    assert {"Gaussian", "PrincipalComponents", "ClassGaussians"} <= set(names)
    assert not {"Coin", "Decoder", "Wrong", "GenerativeModel"} & set(names)


def test_a_model_added_to_a_chapter_is_found(monkeypatch):
    home = ModuleType("gdlbook.families.later")
    monkeypatch.setitem(sys.modules, home.__name__, home)
    chapters = taxonomy._chapters
    monkeypatch.setattr(taxonomy, "_chapters", lambda: chapters() | {home.__name__})
    later = type("Later", (GenerativeModel,), {"density": Density.BOUND})
    later.__module__ = home.__name__
    hidden = type("_Hidden", (later,), {})
    hidden.__module__ = home.__name__
    assert later in models()
    assert hidden not in models()
    assert chapter(later) == "families/later"
    assert "Later" in tree(models())["explicit"]["approximate"]


def test_places():
    assert [place(type("M", (Coin,), {"density": d})) for d in Density] == [
        ("explicit", "tractable"),
        ("explicit", "approximate"),
        ("explicit", "approximate"),
        ("implicit",),
    ]


def test_a_tree_holds_each_model_once_and_no_empty_branch():
    assert tree([Coin, Wrong, Decoder]) == {
        "explicit": {"tractable": ["Coin", "Wrong"]},
        "implicit": ["Decoder"],
    }
    assert tree([]) == {}


def test_abilities_come_from_calling():
    assert abilities(Coin()) == [True, True, False, False, False, False]
    assert abilities(Decoder()) == [True, False, False, False, False, True]
    assert set(refusals(Coin())) == {"elbo", "energy", "encode", "decode"}


def test_calling_leaves_the_random_state_alone():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    refusals(Coin())
    assert torch.equal(torch.get_rng_state(), before)


def test_an_answer_of_another_length_is_no_answer():
    with pytest.raises(ValueError, match=r"Wrong\.log_prob returned 1 values for 4"):
        refusals(Wrong())


def test_an_error_that_is_no_refusal_is_not_hidden():
    class Broken(Coin):
        def log_prob(self, x):
            raise NotImplementedError("to do")

    with pytest.raises(NotImplementedError, match="to do"):
        refusals(Broken())
    assert not issubclass(NotImplementedError, Undefined)


@pytest.mark.parametrize("thing", [3, GenerativeModel, Coin(), type("N", (), {})])
def test_what_has_no_place_is_named(thing):
    with pytest.raises(TypeError, match="says no density; expected a class"):
        place(thing)
