"""RealNVP of Fashion-MNIST, all kinds in one and by label, and of emoji by label."""

import torch
from torch import Tensor

from gdlbook import load
from gdlbook.data import to_tensor
from gdlbook.families.flow import RealNVP
from gdlbook.generative.first_model import bits_per_dimension
from recipes.recipe import Recipe

FASHION, EMOJI = load("fashion"), load("emoji")


def fashion() -> Tensor:
    return to_tensor(FASHION.train.x)


def fashion_by_label() -> tuple[Tensor, Tensor]:
    return to_tensor(FASHION.train.x), torch.tensor(FASHION.train.y)


def emoji_by_label() -> tuple[Tensor, Tensor]:
    return to_tensor(EMOJI.train.x), torch.tensor(EMOJI.train.y)


def bits(model: RealNVP, x: Tensor, *labels: Tensor) -> float:
    """Return bits per dimension under even noise: an upper bound."""
    nats = [
        float(model.nll(*batch)) * len(batch[0])
        for batch in zip(*(t.split(250) for t in (x, *labels)), strict=True)
    ]
    return bits_per_dimension(sum(nats) / len(x), model.latent_size)


def figures(model: RealNVP) -> dict[str, float]:
    x = to_tensor(FASHION.test.x)
    return {"bits per dimension, at most, test part": bits(model, x)}


def figures_by_label(model: RealNVP) -> dict[str, float]:
    x, y = to_tensor(FASHION.test.x), torch.tensor(FASHION.test.y)
    return {"bits per dimension given the label, at most, test part": bits(model, x, y)}


def figures_of_emoji(model: RealNVP) -> dict[str, float]:
    x, y = to_tensor(EMOJI.test.x), torch.tensor(EMOJI.test.y)
    return {"bits per dimension given the label, at most, test part": bits(model, x, y)}


RECIPES = [
    Recipe(
        kind=RealNVP,
        name="fashion",
        model={"shape": [1, 28, 28]},
        data=fashion,
        figures=figures,
        steps=3000,
        batch_size=64,
        learning_rate=6e-3,
    ),
    Recipe(
        kind=RealNVP,
        name="fashion-by-label",
        model={
            "shape": [1, 28, 28],
            "hidden": 48,
            "class_names": list(FASHION.class_names),
        },
        data=fashion_by_label,
        figures=figures_by_label,
        steps=2000,
        batch_size=64,
        learning_rate=6e-3,
    ),
    Recipe(
        kind=RealNVP,
        name="emoji",
        model={
            "shape": [3, 32, 32],
            "hidden": 40,
            "class_names": list(EMOJI.class_names),
        },
        data=emoji_by_label,
        figures=figures_of_emoji,
        steps=2000,
        batch_size=64,
        learning_rate=4e-3,
    ),
]
