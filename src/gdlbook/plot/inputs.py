"""Arrays and tensors as they come, checked and turned into NumPy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def numbers(x: Any, what: str) -> NDArray[Any]:
    """Any array or tensor as a numeric NumPy array."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().numpy()
    array = np.asarray(x)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{what} holds {array.dtype}; expected real numbers")
    return array


def finite(x: Any, what: str) -> NDArray[Any]:
    """Any array or tensor as a finite numeric NumPy array."""
    array = numbers(x, what)
    if not np.isfinite(array).all():
        raise ValueError(f"{what} holds values that are not finite (NaN or infinity)")
    return array


def pair(name: str, value: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    """X and y of one curve; x counts from 0 where only y is given."""
    if isinstance(value, tuple):
        if len(value) != 2:
            raise ValueError(
                f"{name!r} is a tuple of {len(value)}; expected the pair (x, y)"
            )
        x, y = (
            finite(v, f"{axis} of {name!r}")
            for axis, v in zip("xy", value, strict=True)
        )
    else:
        y = finite(value, f"y of {name!r}")
        x = np.arange(y.size)
    if y.ndim != 1 or x.shape != y.shape:
        raise ValueError(
            f"{name!r} has x of shape {x.shape} and y of shape {y.shape}; "
            "expected one length for both"
        )
    return x, y


def plane(name: str, value: Any) -> NDArray[Any]:
    """Points on the plane, (n, 2)."""
    array = finite(value, f"{name!r}")
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name!r} has shape {array.shape}; expected (n, 2)")
    return array


def colors(x: Any) -> NDArray[Any]:
    """Pictures, gray or in color, as (n, h, w, 3) in [0, 1]."""
    array = finite(x, "x")
    gray = array.ndim == 3
    if not (gray or (array.ndim == 4 and array.shape[3] == 3)) or 0 in array.shape:
        raise ValueError(
            f"x has shape {array.shape}; expected (n, h, w) or (n, h, w, 3), not empty"
        )
    if array.dtype == np.uint8:
        array = array / 255
    elif array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"x runs from {array.min():g} to {array.max():g}; "
            "expected uint8, or floats in [0, 1]"
        )
    return np.repeat(array[..., None], 3, axis=-1) if gray else array
