"""Autoregressive models."""

import math
from string import ascii_lowercase

import torch
from torch import Tensor

from gdlbook import load
from gdlbook.data import Part, to_tensor
from gdlbook.families.autoregressive import CausalTransformer, PixelCNN
from recipes.recipe import Recipe

WINDOW = 128


def black_and_white(part: Part) -> tuple[Tensor, Tensor]:
    """Fashion, one where gray is above a half, and the kinds."""
    return (to_tensor(part.x) > 0.5).float(), torch.tensor(part.y)


def fashion() -> tuple[Tensor, ...]:
    return black_and_white(load("fashion").train)


def nats(model: PixelCNN, part: Part) -> dict[str, float]:
    """Judge on every tenth picture of the test part, in pieces that fit the cache."""
    x, y = (tensor[::10].split(40) for tensor in black_and_white(part))
    alone = torch.cat([model.log_prob(piece) for piece in x])
    given = torch.cat(list(map(model.log_prob, x, y)))
    return {
        "nats per picture, every tenth": -float(alone.mean()),
        "nats per picture, every tenth, given its kind": -float(given.mean()),
    }


RECIPES = [
    Recipe(
        kind=PixelCNN,
        name="fashion",
        model={
            "shape": [1, 28, 28],
            "channels": 32,
            "layers": 4,
            "class_names": list(load("fashion").class_names),
        },
        data=fashion,
        figures=lambda model: nats(model, load("fashion").test),
        steps=5000,
        batch_size=16,
        learning_rate=5e-3,
    ),
]
