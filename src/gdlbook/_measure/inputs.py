"""What the measures are given, checked: a sentence for everything that does not fit."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator, Tensor, nn

PIECE = 1000  # rows that a model sees at once: a batch of pictures fits in memory


def observations(name: str, x: Any, *, least: int = 2) -> Tensor:
    """Return observations (n, ...) as rows (n, d) of float64, all of them finite."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; expected a tensor (n, ...)")
    if not x.is_floating_point():
        raise TypeError(f"{name} has dtype {x.dtype}; expected floating, as float32")
    if x.ndim < 2 or len(x) < least or not x.numel():
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; expected (n, ...), with n at least "
            f"{least}"
        )
    bad = (~x.isfinite()).flatten(1).any(dim=1)
    if bad.any():
        raise ValueError(
            f"{name} has {int(bad.sum())} of {len(x)} rows with NaN or infinity, the "
            f"first at row {int(bad.nonzero()[0])}; expected numbers"
        )
    return x.detach().flatten(1).double()


def alike(names: tuple[str, str], x: Tensor, other: Tensor) -> None:
    """Refuse two sets of observations of which one has another shape."""
    if x.shape[1:] != other.shape[1:]:
        raise ValueError(
            f"{names[0]} holds observations of shape {tuple(x.shape[1:])}, {names[1]} "
            f"of shape {tuple(other.shape[1:])}; expected the same"
        )


def labels(name: str, y: Any, x: Tensor) -> Tensor:
    """Return labels (n,) of x, whole numbers from 0."""
    if not isinstance(y, Tensor):
        raise TypeError(f"{name} is a {type(y).__name__}; expected a tensor (n,)")
    if y.dtype not in (torch.uint8, torch.int16, torch.int32, torch.int64):
        raise TypeError(f"{name} has dtype {y.dtype}; expected whole numbers, as int64")
    if y.shape != x.shape[:1]:
        raise ValueError(
            f"{name} has shape {tuple(y.shape)}; expected ({len(x)},), one label for "
            "each observation"
        )
    if len(y) and int(y.min()) < 0:
        raise ValueError(f"{name} holds {int(y.min())}; expected labels from 0")
    return y.long()


def whole(name: str, value: Any, *, least: int) -> int:
    """Return value as an int of at least `least`; a float or a bool is none."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if value < least:
        raise ValueError(f"{name} is {value}; expected at least {least}")
    return value


@contextmanager
def measured(model: nn.Module, seed: int) -> Iterator[None]:
    """Hold a model in evaluation mode and draw from `seed`, then undo both."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            yield
    finally:
        for module, mode in modes.items():
            module.training = mode


def draw(model: Any, test: Tensor, generator: Generator) -> Tensor:
    """Return as many samples as there are observations in the test part."""
    samples: Tensor = model.sample(len(test), generator=generator).detach()
    if samples.shape != test.shape:
        raise ValueError(
            f"sample({len(test)}) returns shape {tuple(samples.shape)}; expected "
            f"{tuple(test.shape)}, the shape of test"
        )
    return samples
