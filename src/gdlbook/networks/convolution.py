"""Convolution: lay a filter on every patch of a picture, multiply, and sum."""

import math
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

__all__ = ["conv2d", "conv2d_loops", "output_size", "same_padding"]

Array = NDArray[Any]
Pair = int | tuple[int, int]
Padding = Literal["same", "valid"]


def conv2d_loops(
    x: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Pair | Padding = "valid",
) -> Array:
    """Convolve pictures with filters, one output at a time, as the definition reads.

    Same arguments, result, and errors as `conv2d`, and far slower.
    """
    x, filters, bias, steps = _prepare(x, filters, bias, stride, padding)
    height, width, _, out = filters.shape
    down, right = steps
    rows = (x.shape[1] - height) // down + 1
    columns = (x.shape[2] - width) // right + 1
    y = np.zeros((len(x), rows, columns, out), x.dtype)
    for m, i, j, o in np.ndindex(y.shape):
        top, left = i * down, j * right
        patch = x[m, top : top + height, left : left + width]
        y[m, i, j, o] = np.sum(patch * filters[..., o]) + bias[o]
    return y


def conv2d(
    x: ArrayLike,
    filters: ArrayLike,
    bias: ArrayLike | None = None,
    *,
    stride: Pair = 1,
    padding: Pair | Padding = "valid",
) -> Array:
    r"""Convolve pictures with filters, as one matrix product.

    $$y_{m,i,j,o} = b_o + \sum_{u,v,c} x_{m,\,is+u,\,js+v,\,c} \, f_{u,v,c,o}$$

    The filter is not flipped: this is the cross-correlation that Keras and PyTorch
    call convolution. NaN and infinity pass through to the outputs that read them.

    Args:
        x: Pictures, shape (batch, height, width, channels).
        filters: Filters, shape (rows, columns, channels in, channels out).
        bias: Added to every output of a filter, shape (channels out,).
        stride: Step of the filter, an int or a pair (down, right), at least 1.
        padding: Zeros around x before the filter moves: "valid" (none), "same" (see
            `same_padding`), an int (as many on all four sides), or a pair of these
            (above and below, left and right).

    Returns:
        Feature maps, shape (batch, rows, columns, channels out), with rows and columns
            as `output_size` says. The dtype is what NumPy promotes the arrays to, so
            float32 stays float32; integers and booleans are summed as int64, so that
            8-bit pixels do not wrap around.

    Raises:
        TypeError: If an array is not numeric, or stride or padding is not an integer.
        ValueError: If shapes do not fit each other, or stride or padding is too small
            or unknown.

    Source: Dumoulin and Visin, "A guide to convolution arithmetic for deep learning",
    https://arxiv.org/abs/1603.07285. The matrix product: Chellapilla, Puri and Simard,
    2006, https://inria.hal.science/inria-00112631.
    """
    x, filters, bias, steps = _prepare(x, filters, bias, stride, padding)
    *kernel, out = filters.shape
    down, right = steps
    patches = sliding_window_view(x, kernel, axis=(1, 2, 3))
    patches = patches[:, ::down, ::right]
    batch, rows, columns = patches.shape[:3]
    flat = patches.reshape(batch * rows * columns, math.prod(kernel))
    y = flat @ filters.reshape(flat.shape[1], out) + bias
    return y.reshape(batch, rows, columns, out)


def output_size(
    n: int, kernel: int, *, stride: int = 1, padding: int | Padding = "valid"
) -> int:
    r"""Return the number of outputs along one axis.

    $$\left\lfloor \frac{n + p - k}{s} \right\rfloor + 1$$

    Here $p$ counts the zeros before and after together; for "same", this is
    $\lceil n / s \rceil$.

    Args:
        n: Size of the input, in pixels.
        kernel: Size $k$ of the filter, in pixels.
        stride: Step $s$ of the filter, in pixels.
        padding: "valid", "same", or the number of zeros on both sides.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is too small, the padding is unknown, or the filter does
            not fit into the padded input.

    Source: https://arxiv.org/abs/1603.07285, relationship 6.
    """
    before, after = _zeros("n", n, kernel, stride, padding)
    return (before + n + after - kernel) // stride + 1


def same_padding(n: int, kernel: int, stride: int = 1) -> tuple[int, int]:
    r"""Return how many zeros "same" puts before and after an axis.

    $$p = \max\bigl((\lceil n / s \rceil - 1)\,s + k - n,\ 0\bigr)$$

    $$p_\text{before} = \lfloor p / 2 \rfloor, \qquad
    p_\text{after} = p - p_\text{before}$$

    Args:
        n: Size of the input, in pixels.
        kernel: Size $k$ of the filter, in pixels.
        stride: Step $s$ of the filter, in pixels.

    Raises:
        TypeError: If a size is not an integer.
        ValueError: If a size is smaller than 1.

    Source: TensorFlow, "Notes on padding",
    https://www.tensorflow.org/api_docs/python/tf/nn#notes_on_padding_2.
    """
    return _zeros("n", n, kernel, stride, "same")


def _zeros(
    name: str, n: int, kernel: int, stride: int, padding: int | Padding
) -> tuple[int, int]:
    """Check one axis and return the zeros before and after it."""
    n = _integer(name, n, least=1)
    kernel = _integer("kernel", kernel, least=1)
    stride = _integer("stride", stride, least=1)
    if not isinstance(padding, str):
        before = after = _integer("padding", padding, least=0)
    elif padding in ("same", "valid"):
        steps = -(-n // stride) - 1
        total = max(steps * stride + kernel - n, 0) if padding == "same" else 0
        before, after = total // 2, total - total // 2
    else:
        expected = "'same', 'valid', an integer or a pair of integers"
        raise ValueError(f"padding must be {expected}, got {padding!r}")
    if kernel > before + n + after:
        padded = f"{before} + {n} + {after} = {before + n + after}"
        raise ValueError(
            f"kernel must be at most the padded {name}, {padded}, got {kernel}"
        )
    return before, after


def _integer(name: str, value: Any, *, least: int) -> int:
    """Return value as an int of at least `least`; a float or a bool is none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        seen = f"{value!r} ({type(value).__name__})"
        raise TypeError(f"{name} must be an integer, got {seen}")
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
    return int(value)


def _pair(name: str, value: Any) -> tuple[Any, Any]:
    """Return (along the rows, along the columns); one value serves both."""
    if not isinstance(value, tuple | list):
        return value, value
    if len(value) != 2:
        raise ValueError(f"{name} must be one value or a pair, got {value!r}")
    return value[0], value[1]


def _numeric(name: str, value: ArrayLike, axes: str) -> Array:
    """Return value as an array of real numbers with the named axes."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array, got {error}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} must hold real numbers, got dtype {array.dtype}")
    if array.ndim != len(axes.split(", ")):
        raise ValueError(f"{name} must have axes ({axes}), got shape {array.shape}")
    return array


def _prepare(
    x: ArrayLike, filters: ArrayLike, bias: ArrayLike | None, stride: Any, padding: Any
) -> tuple[Array, Array, Array, tuple[int, int]]:
    """Check everything; return padded x, filters, and bias of one dtype, and stride."""
    x = _numeric("x", x, "batch, height, width, channels")
    filters = _numeric("filters", filters, "rows, columns, channels in, channels out")
    *_, channels, out = filters.shape
    if x.shape[3] != channels:
        read = f"filters {filters.shape} read"
        raise ValueError(
            f"x must have {channels} channels last, as {read}, got {x.shape}"
        )
    bias = _numeric("bias", np.zeros(out, bool) if bias is None else bias, "out")
    if len(bias) != out:
        raise ValueError(f"bias must have shape ({out},), got {bias.shape}")
    steps, zeros = _pair("stride", stride), _pair("padding", padding)
    above = _zeros("height of x", x.shape[1], filters.shape[0], steps[0], zeros[0])
    beside = _zeros("width of x", x.shape[2], filters.shape[1], steps[1], zeros[1])
    dtype = np.result_type(x, filters, bias)
    if dtype.kind in "biu":
        dtype = np.promote_types(dtype, np.int64)
    x = np.pad(x.astype(dtype, copy=False), [(0, 0), above, beside, (0, 0)])
    return x, filters.astype(dtype, copy=False), bias.astype(dtype, copy=False), steps
