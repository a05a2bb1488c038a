"""The faces and hands among the emoji, which several recipes learn."""

import torch
from torch import Tensor

from gdlbook._compare.worlds import colors
from gdlbook.data import Part, load

EMOJI = load("emoji")
KINDS = ("face", "hand")  # of ten; the others need a larger network


def faces_and_hands(part: Part) -> tuple[Tensor, Tensor]:
    """Return the pictures of KINDS, and which of these each is, (n,)."""
    x, y = colors(part)
    number = torch.full((len(EMOJI.class_names),), -1)
    number[[EMOJI.class_names.index(name) for name in KINDS]] = torch.arange(len(KINDS))
    return x[number[y] >= 0], number[y][number[y] >= 0]
