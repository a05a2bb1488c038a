"""Energy models of Fashion-MNIST and of emoji, one output for each kind."""

import torch

from gdlbook import load
from gdlbook._compare.worlds import colors
from gdlbook.data import Part
from gdlbook.families.energy import EnergyModel
from recipes.recipe import Recipe

FASHION, EMOJI = load("fashion"), load("emoji")


def judged(model: EnergyModel, part: Part) -> dict[str, float]:
    """Ask for the kind of least energy, and whether turning a picture raises it."""
    x, y = colors(part)
    kinds = range(len(model.class_names))
    each = torch.stack([model.energy(x, kind) for kind in kinds])
    turned = model.energy(x) < model.energy(x.flip(-2))
    return {
        "share whose own kind has the least energy, test part": float(
            (each.argmin(dim=0) == y).float().mean()
        ),
        "share lower than when turned upside down, test part": float(
            turned.float().mean()
        ),
    }


RECIPES = [
    Recipe(
        kind=EnergyModel,
        name="fashion",
        model={
            "shape": [1, 28, 28],
            "hidden": [176, 128],
            "chains": 512,
            "fresh": 0.02,
            "magnitude": 0.1,
            "class_names": list(FASHION.class_names),
        },
        data=lambda: colors(FASHION.train),
        figures=lambda model: judged(model, FASHION.test),
        steps=8000,
        batch_size=64,
        learning_rate=1e-3,
    ),
    Recipe(
        kind=EnergyModel,
        name="emoji",
        model={
            "shape": [3, 32, 32],
            "hidden": [44, 128],
            "chains": 512,
            "fresh": 0.02,
            "magnitude": 0.1,
            "class_names": list(EMOJI.class_names),
        },
        data=lambda: colors(EMOJI.train),
        figures=lambda model: judged(model, EMOJI.test),
        steps=2500,
        batch_size=64,
        learning_rate=1e-3,
    ),
]
