"""RealNVP of Fashion-MNIST, all kinds in one and by label, and of emoji by label."""

from torch import Tensor

from gdlbook import load
from gdlbook._compare.worlds import colors
from gdlbook.data import Part, to_tensor
from gdlbook.families.flow import RealNVP
from gdlbook.generative.first_model import bits_per_dimension
from recipes.recipe import Recipe

FASHION, EMOJI = load("fashion"), load("emoji")


def bits(model: RealNVP, x: Tensor, *labels: Tensor) -> float:
    """Return bits per dimension under even noise: an upper bound."""
    nats = [
        float(model.nll(*batch)) * len(batch[0])
        for batch in zip(*(t.split(250) for t in (x, *labels)), strict=True)
    ]
    return bits_per_dimension(sum(nats) / len(x), model.latent_size)


def bits_by_label(model: RealNVP, part: Part) -> dict[str, float]:
    """Judge pictures whose kind the model is told."""
    found = bits(model, *colors(part))
    return {"bits per dimension given the label, at most, test part": found}


RECIPES = [
    Recipe(
        kind=RealNVP,
        name="fashion",
        model={"shape": [1, 28, 28]},
        data=lambda: to_tensor(FASHION.train.x),
        figures=lambda model: {
            "bits per dimension, at most, test part": bits(
                model, to_tensor(FASHION.test.x)
            )
        },
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
        data=lambda: colors(FASHION.train),
        figures=lambda model: bits_by_label(model, FASHION.test),
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
        data=lambda: colors(EMOJI.train),
        figures=lambda model: bits_by_label(model, EMOJI.test),
        steps=2000,
        batch_size=64,
        learning_rate=4e-3,
    ),
]
