"""Autoregressive models."""

import math
from string import ascii_lowercase

import torch
from torch import Tensor

from gdlbook import load
from gdlbook._compare.worlds import black_and_white, silhouettes
from gdlbook.families.autoregressive import CausalTransformer, PixelCNN
from recipes.recipe import Recipe

WINDOW = 96
ALPHABET = "".join(sorted(set(load("moby_dick").train)))


def nats(model: PixelCNN, data: tuple[Tensor, Tensor]) -> dict[str, float]:
    """Judge on every tenth picture, in pieces that fit the cache."""
    x, y = (tensor[::10].split(40) for tensor in data)
    alone = torch.cat([model.log_prob(piece) for piece in x])
    given = torch.cat(list(map(model.log_prob, x, y)))
    return {
        "nats per picture, every tenth": -float(alone.mean()),
        "nats per picture, every tenth, given its kind": -float(given.mean()),
    }


def windows(text: str, step: int) -> Tensor:
    """Return the pieces of WINDOW symbols that begin at every step-th symbol."""
    places = torch.tensor([ALPHABET.index(symbol) for symbol in text])
    return places.unfold(0, WINDOW, step).contiguous()


def bits_of_windows(model: CausalTransformer, text: str) -> dict[str, float]:
    """Judge the second halves of windows that overlap by half."""
    half = WINDOW // 2
    pieces = windows(text, half).split(64)
    each = torch.cat([model.log_conditionals(x)[:, half:] for x in pieces])
    return {"bits per character": -float(each.mean()) / math.log(2)}


def bits_of_names(model: CausalTransformer, names: tuple[str, ...]) -> dict[str, float]:
    """Judge whole names; the end counts as a character."""
    characters = sum(len(name) + 1 for name in names)
    total = float(model.log_prob(model.to_tokens(names)).sum())
    return {"bits per character": -total / characters / math.log(2)}


NAMES = {
    "shape": [14],
    "alphabet": ascii_lowercase + "$",
    "end": "$",
    "width": 32,
    "heads": 2,
    "layers": 2,
    "dropout": 0.1,
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
        data=lambda: black_and_white(load("fashion").train),
        figures=lambda model: nats(model, black_and_white(load("fashion").test)),
        steps=5000,
        batch_size=16,
        learning_rate=5e-3,
    ),
    Recipe(
        kind=CausalTransformer,
        name="moby_dick",
        model={
            "shape": [WINDOW],
            "alphabet": ALPHABET,
            "width": 64,
            "heads": 2,
            "layers": 2,
        },
        data=lambda: windows(load("moby_dick").train, WINDOW // 4),
        figures=lambda model: bits_of_windows(model, load("moby_dick").test[:60_000]),
        steps=12_000,
        batch_size=12,
        learning_rate=4e-3,
    ),
    Recipe(
        kind=CausalTransformer,
        name="names",
        model=NAMES,
        data=lambda: CausalTransformer(**NAMES).to_tokens(load("names").train),
        figures=lambda model: bits_of_names(model, load("names").test),
        steps=4000,
        batch_size=64,
        learning_rate=4e-3,
    ),
    Recipe(
        kind=PixelCNN,
        name="emoji",
        model={
            "shape": [1, 32, 32],
            "channels": 20,
            "layers": 3,
            "class_names": list(load("emoji").class_names),
        },
        data=lambda: silhouettes(load("emoji").train),
        figures=lambda model: nats(model, silhouettes(load("emoji").test)),
        steps=2500,
        batch_size=16,
        learning_rate=6e-3,
    ),
]
