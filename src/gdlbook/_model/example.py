"""The small fitted model that each family gives of itself."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn

Model = TypeVar("Model", bound=nn.Module)


def fitted(model: Model, loss: Callable[[Tensor], Tensor], x: Tensor) -> Model:
    """Return the model after forty steps of Adam on the loss of all of x, (n, ...).

    A family may not import `fit`, which stands above it.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(40):
        optimizer.zero_grad()
        loss(x).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return model
