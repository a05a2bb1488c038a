"""DDPM of Fashion-MNIST by label, and of the faces and hands among the emoji."""

from math import log

import torch
from torch import Tensor

from gdlbook._compare.worlds import colors
from gdlbook.data import load
from gdlbook.families import DDPM
from recipes._emoji import EMOJI, KINDS, faces_and_hands
from recipes.recipe import Recipe

FASHION = load("fashion")


def bits(model: DDPM, x: Tensor, y: Tensor) -> dict[str, float]:
    """Judge fifty pictures, spread evenly over a part, whose kind the model is told."""
    rows = torch.linspace(0, len(x) - 1, 50).long()
    nats = -float(model.elbo(x[rows], label=y[rows]).mean())
    told = "bits per dimension given the label, at most, 50 of test"
    return {told: nats / x[0].numel() / log(2)}


RECIPES = [
    Recipe(
        kind=DDPM,
        name="fashion",
        model={"shape": [1, 28, 28], "class_names": list(FASHION.class_names)},
        data=lambda: colors(FASHION.train),
        figures=lambda model: bits(model, *colors(FASHION.test)),
        steps=4000,
        batch_size=64,
        learning_rate=2e-3,
    ),
    Recipe(
        kind=DDPM,
        name="emoji",
        model={"shape": [3, 32, 32], "class_names": list(KINDS)},
        data=lambda: faces_and_hands(EMOJI.train),
        figures=lambda model: bits(model, *faces_and_hands(EMOJI.test)),
        steps=3500,
        batch_size=64,
        learning_rate=2e-3,
    ),
]
