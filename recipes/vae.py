"""The weights of the chapter on variational autoencoders: fashion, black and white."""

import torch
from torch import Tensor

from gdlbook._compare.worlds import black_and_white, nudged
from gdlbook.data import load
from gdlbook.families import VAE
from recipes.recipe import Recipe

FASHION = load("fashion")
SHOES = ("Sandal", "Sneaker", "Ankle boot")


def labeled() -> tuple[Tensor, Tensor]:
    """Return the training part and its labels, with mirror images of 7 of 10 kinds.

    Shoes point to the left in all pictures; everything else looks as well in a mirror.
    Each picture is also moved by a pixel in four directions.
    """
    x, y = black_and_white(FASHION.train)
    pointing = [name in SHOES for name in FASHION.class_names]
    even = ~torch.tensor(pointing)[y]
    x, y = torch.cat([x, x[even].flip(3)]), torch.cat([y, y[even]])
    return nudged(x), y.repeat(5)


def pictures() -> Tensor:
    """Return the same without labels, (68000, 1, 28, 28)."""
    return labeled()[0]


def judged(model: VAE) -> dict[str, float]:
    """Return the bounds on the test part, of a model without labels."""
    x, _ = black_and_white(FASHION.test)
    tighter = model.importance_weighted(x[::4], 200)
    refined = model.importance_weighted(x[::4], 200, refine=100)
    return {
        "negative ELBO, nats a picture": -float(model.elbo(x).mean()),
        "negative importance-weighted bound, 200 samples, every 4th picture, nats": (
            -float(tighter.mean())
        ),
        "the same with guesses refined by 100 steps": -float(refined.mean()),
    }


def judged_by_label(model: VAE) -> dict[str, float]:
    """Return the bound on the test part given its labels."""
    x, y = black_and_white(FASHION.test)
    return {
        "negative ELBO given the label, nats": -float(model.elbo(x, y).mean()),
        "negative ELBO without it, nats": -float(model.elbo(x).mean()),
    }


RECIPES = [
    Recipe(
        VAE,
        "fashion",
        {
            "shape": [1, 28, 28],
            "latent": 32,
            "likelihood": "bernoulli",
            "components": 100,
            "hidden": [128],
            "activation": "silu",
        },
        pictures,
        judged,
        steps=50_000,
        batch_size=256,
        learning_rate=4e-3,
    ),
    Recipe(
        VAE,
        "fashion-by-label",
        {
            "shape": [1, 28, 28],
            "latent": 16,
            "likelihood": "bernoulli",
            "components": 10,
            "hidden": [60],
            "activation": "silu",
            "class_names": list(FASHION.class_names),
        },
        labeled,
        judged_by_label,
        steps=20_000,
        batch_size=256,
        learning_rate=4e-3,
    ),
]
