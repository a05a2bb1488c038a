"""DDPM of Fashion-MNIST by label, and of the faces and hands among the emoji."""

from math import log

import torch
from torch import Tensor

from gdlbook._compare.worlds import colors
from gdlbook.data import Part, load
from gdlbook.families import DDPM
from recipes.recipe import Recipe

FASHION, EMOJI = load("fashion"), load("emoji")
KINDS = ("face", "hand")  # of ten; the others need a larger network


def faces_and_hands(part: Part) -> tuple[Tensor, Tensor]:
    """Return the pictures of KINDS, and which of these each is, (n,)."""
    x, y = colors(part)
    number = torch.full((len(EMOJI.class_names),), -1)
    number[[EMOJI.class_names.index(name) for name in KINDS]] = torch.arange(len(KINDS))
    return x[number[y] >= 0], number[y][number[y] >= 0]


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
