"""Adversarial networks by label: clothing, and the faces and hands among the emoji."""

from typing import Any

from torch import Tensor

from gdlbook import load
from gdlbook._compare.worlds import colors
from gdlbook.families import GAN
from gdlbook.generative.framework import linear_probe, spread, two_sample_test
from recipes._emoji import EMOJI, KINDS, faces_and_hands
from recipes.recipe import Recipe

Pair = tuple[Tensor, Tensor]
FASHION = load("fashion")


def figures(model: Any, train: Pair, test: Pair) -> dict[str, float]:
    """Draw as many pictures of each kind as the test part has, and judge them."""
    x, kind = test
    drawn = model.sample(len(x), label=kind)
    return {
        "share of samples that a linear classifier names right": linear_probe(
            *train, drawn, kind
        ),
        "share of the test part that it names right": linear_probe(*train, x, kind),
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
            "class_names": list(FASHION.class_names),
        },
        data=lambda: colors(FASHION.train),
        figures=lambda model: figures(
            model, colors(FASHION.train), colors(FASHION.test)
        ),
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
            "class_names": list(KINDS),
        },
        data=lambda: faces_and_hands(EMOJI.train),
        figures=lambda model: figures(
            model, faces_and_hands(EMOJI.train), faces_and_hands(EMOJI.test)
        ),
        steps=6000,
        batch_size=64,
        learning_rate=1e-3,
        average=0.999,
    ),
]
