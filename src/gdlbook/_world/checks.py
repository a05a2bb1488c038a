"""What a model, an agent or a world is given, checked: a sentence for what is wrong."""

import math
import operator
from collections.abc import Iterable
from string import ascii_lowercase
from typing import Any

from torch import Tensor


def check_steps(state: Tensor, action: Tensor, *next_state: Tensor) -> None:
    """Raise unless these are steps: (..., 3) and (...,), and (..., 3) again."""
    parts = {"action": action, "state": state}
    if next_state:
        parts["next_state"] = next_state[0]
    for name, part in parts.items():
        if not isinstance(part, Tensor) or not part.is_floating_point():
            kind = part.dtype if isinstance(part, Tensor) else type(part).__name__
            raise TypeError(f"{name} is {kind}; expected a floating tensor")
        least = () if name == "action" else (3,)
        if part.shape != (*action.shape, *least):
            raise ValueError(
                f"{name} has shape {shape_of(part.shape)} and action "
                f"{shape_of(action.shape)}; expected (..., 3) and (...,)"
            )


def shape_of(shape: Any) -> Any:
    return None if shape is None else tuple(shape)


def whole(name: str, value: Any, *, least: int = 1) -> int:
    """Return a whole number of at least `least`, or raise."""
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if operator.index(value) < least:
        raise ValueError(f"{name} is {value}; expected at least {least}")
    return operator.index(value)


def positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number above 0")
    if not 0 < value < math.inf:
        raise ValueError(f"{name} is {value}; expected a number above 0, and finite")
    return float(value)


def words(names: Iterable[str]) -> list[str]:
    """Return names as a list, or raise."""
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise TypeError(f"names is {names!r}; expected a list of strings")
    checked = list(names)
    if not checked:
        raise ValueError("names is empty; expected at least one string")
    for name in checked:
        if not isinstance(name, str):
            raise TypeError(f"{name!r} is a {type(name).__name__}; expected a string")
        if unknown := sorted(set(name) - set(ascii_lowercase)):
            raise ValueError(f"{name!r} holds {unknown}; expected letters a to z")
    return checked


def functions(**given: Any) -> None:
    for name, function in given.items():
        if not callable(function):
            raise TypeError(f"{name} is {function!r}; expected a function")
