"""Adversarial networks: pictures of clothing, drawn by label."""

from typing import Any

from gdlbook import load
from gdlbook._compare.worlds import colors
from gdlbook.families import GAN
from gdlbook.generative.framework import linear_probe, spread, two_sample_test
from recipes.recipe import Recipe


def kinds(name: str) -> list[str]:
    """Return the names of the kinds."""
    return list(load(name).class_names)


def figures(name: str, model: Any) -> dict[str, float]:
    """Draw as many pictures of each kind as the test part has, and judge them."""
    (train, y), (x, kind) = colors(load(name).train), colors(load(name).test)
    drawn = model.sample(len(x), label=kind)
    return {
        "share of samples that a linear classifier names right": linear_probe(
            train, y, drawn, kind
        ),
        "share of the test part that it names right": linear_probe(train, y, x, kind),
        "two-sample test, accuracy": two_sample_test(x, drawn).accuracy,
        "spread relative to the test part": spread(drawn, x),
    }


RECIPES = [
    Recipe(
        kind=GAN,
        name="fashion",
        model={
            "shape": [1, 28, 28],
            "penalty": 2,
            "class_names": kinds("fashion"),
        },
        data=lambda: colors(load("fashion").train),
        figures=lambda model: figures("fashion", model),
        steps=3500,
        batch_size=64,
        learning_rate=5e-4,
    ),
]
