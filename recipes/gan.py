"""Adversarial networks: pictures of clothing and emoji, drawn by label."""

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
            "penalty": 1,
            "class_names": kinds("fashion"),
        },
        data=lambda: colors(load("fashion").train),
        figures=lambda model: figures("fashion", model),
        steps=8000,
        batch_size=64,
        learning_rate=1e-3,
        average=0.999,
    ),
    Recipe(
        kind=GAN,
        name="emoji",
        model={
            "shape": [3, 32, 32],
            "latent_size": 20,
            "width": 12,
            "penalty": 1,
            "class_names": kinds("emoji"),
        },
        data=lambda: colors(load("emoji").train),
        figures=lambda model: figures("emoji", model),
        steps=6000,
        batch_size=64,
        learning_rate=1e-3,
        average=0.999,
    ),
]
