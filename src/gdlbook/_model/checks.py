"""What a model of a family is given, checked: a sentence for whatever does not fit."""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor


def observations(
    x: Any,
    shape: Sequence[int],
    *,
    name: str = "x",
    low: float = -math.inf,
    high: float = math.inf,
) -> Tensor:
    """Return x if it is floating, (n, *shape), finite, and from low to high."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; expected a floating tensor")
    if not x.is_floating_point():
        raise TypeError(f"{name} has dtype {x.dtype}; expected floating, as float32")
    _shaped(name, x, shape)
    if bad := int((~x.isfinite()).sum()):
        raise ValueError(
            f"{name} holds {bad} of {x.numel()} numbers that are NaN or infinite; "
            "expected finite ones"
        )
    least, most = float(x.detach().min()), float(x.detach().max())
    if least < low or most > high:
        raise ValueError(
            f"{name} runs from {least:.4g} to {most:.4g}; expected numbers from "
            f"{low:g} to {high:g}"
        )
    return x


def binary(x: Any, shape: Sequence[int], *, name: str = "x") -> Tensor:
    """Return x if it is floating, (n, *shape), and holds zeros and ones only."""
    observations(x, shape, name=name)
    if bad := int(((x != 0) & (x != 1)).sum()):
        raise ValueError(
            f"{name} holds {bad} of {x.numel()} numbers that are neither 0 nor 1; "
            "expected black and white, as (x > 0.5).float() makes of gray"
        )
    return x  # type: ignore[no-any-return]


def tokens(x: Any, size: int, *, name: str = "x") -> Tensor:
    """Return x if it is int64, (n, length), with numbers from 0 below size."""
    if not isinstance(x, Tensor) or x.dtype != torch.int64:
        seen = x.dtype if isinstance(x, Tensor) else type(x).__name__
        raise TypeError(f"{name} is {seen}; expected a tensor of int64")
    if x.ndim != 2 or not x.numel():
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected (n, length)")
    if int(x.min()) < 0 or int(x.max()) >= size:
        raise ValueError(
            f"{name} runs from {int(x.min())} to {int(x.max())}; expected whole "
            f"numbers from 0 to {size - 1}"
        )
    return x


def kinds(label: Any, n: int, class_names: Sequence[str]) -> Tensor:
    """Return the kinds (n,) that a label names: a name, a number, or a tensor (n,)."""
    count = len(class_names)
    if not count:
        raise ValueError(
            f"label is {label!r}, but this model was made without class_names and "
            "knows no kinds; call it without label"
        )
    if isinstance(label, str):
        if label not in class_names:
            raise ValueError(
                f"there is no label {label!r}; there are {', '.join(class_names)}"
            )
        label = list(class_names).index(label)
    if isinstance(label, int) and not isinstance(label, bool):
        label = torch.full((n,), label)
    if not isinstance(label, Tensor) or label.dtype != torch.int64:
        seen = label.dtype if isinstance(label, Tensor) else repr(label)
        raise TypeError(
            f"label is {seen}; expected a name, a whole number, or a tensor of int64"
        )
    if label.shape != (n,):
        raise ValueError(
            f"label has shape {tuple(label.shape)}; expected ({n},), one for each row"
        )
    if n and not 0 <= int(label.min()) <= int(label.max()) < count:
        wrong = int(label.min()) if int(label.min()) < 0 else int(label.max())
        raise ValueError(f"there is no label {wrong}; there are 0 to {count - 1}")
    return label


def whole(name: str, value: Any, *, least: int = 1) -> int:
    """Return value if it is a whole number of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if value < least:
        raise ValueError(f"{name} is {value}; expected {least} or more")
    return value


def positive(name: str, value: Any) -> float:
    """Return value if it is a finite number above zero."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value}; expected a finite number above zero")
    return float(value)


def sizes(name: str, value: Any) -> tuple[int, ...]:
    """Return a shape, or the sizes of layers, as a tuple of whole numbers from 1."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not value:
        raise TypeError(f"{name} is {value!r}; expected whole numbers, as (1, 28, 28)")
    return tuple(whole(f"{name}[{i}]", size) for i, size in enumerate(value))


def source(generator: Any) -> Generator | None:
    """Return the source of randomness; None is torch's own."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(
            f"generator is {generator!r}; expected a torch.Generator, such as "
            "torch.Generator().manual_seed(0)"
        )
    return generator


def _shaped(name: str, x: Tensor, shape: Sequence[int]) -> None:
    if x.shape[1:] != torch.Size(shape) or x.ndim != len(shape) + 1 or not len(x):
        rows = ", ".join(map(str, ["n", *shape]))
        raise ValueError(
            f"{name} has shape {tuple(x.shape)}; expected ({rows}), n from 1 up"
        )
