"""Diffusion: the weights of DDPM, on clothing by its kind, and on drawings of faces."""

from math import log

import torch
from torch import Tensor

from gdlbook.data import load, to_tensor
from gdlbook.families import DDPM
from recipes.recipe import Recipe

FACE = 0


def clothing() -> tuple[Tensor, Tensor]:
    part = load("fashion").train
    return to_tensor(part.x), torch.tensor(part.y)


def faces() -> Tensor:
    part = load("emoji").train
    return to_tensor(part.x[part.y == FACE])


def bits_of_clothing(model: DDPM) -> dict[str, float]:
    part = load("fashion").test
    rows = torch.linspace(0, len(part) - 1, 50).long().numpy()
    x, y = to_tensor(part.x[rows]), torch.tensor(part.y[rows])
    bits = -model.elbo(x, label=y).mean().item() / x[0].numel() / log(2)
    return {"bits per dimension at most, 50 of test with labels": bits}


def bits_of_faces(model: DDPM) -> dict[str, float]:
    part = load("emoji").test
    x = to_tensor(part.x[part.y == FACE][:40])
    bits = -model.elbo(x).mean().item() / x[0].numel() / log(2)
    return {"bits per dimension at most, 40 of test": bits}


RECIPES = [
    Recipe(
        kind=DDPM,
        name="fashion",
        model={"shape": [1, 28, 28], "class_names": list(load("fashion").class_names)},
        data=clothing,
        figures=bits_of_clothing,
        steps=4000,
        batch_size=64,
        learning_rate=2e-3,
    ),
    Recipe(
        kind=DDPM,
        name="faces",
        model={"shape": [3, 32, 32]},
        data=faces,
        figures=bits_of_faces,
        steps=2500,
        batch_size=64,
        learning_rate=2e-3,
    ),
]
