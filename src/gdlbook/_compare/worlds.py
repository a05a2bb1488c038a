"""The worlds of the comparison, by name: what is learned, and what judges it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import pad

from gdlbook.data import Part, Pictures, Toy, load, mixture, moons, to_tensor

View = Callable[[Part], tuple[Tensor, Tensor]]


@dataclass(frozen=True, eq=False)
class World:
    """What all entries of one table learn, and what they are judged on.

    Attributes:
        train: The training part, (n, ...).
        test: Observations that nobody learns from, (m, ...).
        learned: What `fit` is given: the training part, or more that is made of it.
        truth: P_data, where it is known.
        labels: Kinds of both parts, for the linear probe; no entry learns from them.
        levels: Whether observations are pictures of 256 gray levels, k / 255.
        modes: Centers of the bells that make up the truth, if it is made so.
    """

    train: Tensor
    test: Tensor
    learned: Tensor
    truth: Toy | None = None
    labels: tuple[Tensor, Tensor] | None = None
    levels: bool = False
    modes: Tensor | None = None


def colors(part: Part) -> tuple[Tensor, Tensor]:
    """Return pictures of levels k / 255, channels first, and their kinds (n,)."""
    return to_tensor(part.x), torch.tensor(part.y)


def black_and_white(part: Part) -> tuple[Tensor, Tensor]:
    """Return clothing, one where gray is above a half, and the kinds (n,)."""
    return (to_tensor(part.x) > 0.5).float(), torch.tensor(part.y)


def silhouettes(part: Part) -> tuple[Tensor, Tensor]:
    """Return emoji, one where a drawing is and zero on white, and the kinds (n,)."""
    drawing = to_tensor(part.x).amin(dim=1, keepdim=True) < 0.9
    return drawing.float(), torch.tensor(part.y)


def nudged(x: Tensor) -> Tensor:
    """Return pictures (n, c, h, w), and each moved by a pixel in four directions.

    What is moved out is lost, and zeros move in: (5 n, c, h, w).
    """
    height, width = x.shape[2:]
    wide = pad(x, (1, 1, 1, 1))
    corners = ((1, 1), (0, 1), (2, 1), (1, 0), (1, 2))
    return torch.cat([wide[:, :, i : i + height, j : j + width] for i, j in corners])


def toy(truth: Toy) -> World:
    """Return 20,000 points to learn from and 4,000 others."""
    generator = torch.Generator().manual_seed(0)
    x = truth.sample(20_000, generator=generator)
    test = truth.sample(4000, generator=generator)
    return World(x, test, x, truth, modes=getattr(truth, "means", None))


def pictures(data: Pictures, view: View, *, more: bool = False) -> World:
    """Return the training part, all of it, and at most 1,000 of the test part."""
    (x, y), (test, y_test) = view(data.train), view(data.test)
    some = slice(None, None, -(-len(test) // 1000))  # of all kinds
    return World(
        x,
        test[some],
        nudged(x) if more else x,
        labels=(y, y_test[some]),
        levels=view is colors,
    )


WORLDS: dict[str, Callable[[], World]] = {
    "moons": lambda: toy(moons),
    "mixture": lambda: toy(mixture),
    "clothing, black and white": lambda: pictures(
        load("fashion"), black_and_white, more=True
    ),
    "clothing, gray": lambda: pictures(load("fashion"), colors),
    "emoji, silhouettes": lambda: pictures(load("emoji"), silhouettes, more=True),
    "emoji, color": lambda: pictures(load("emoji"), colors),
}
