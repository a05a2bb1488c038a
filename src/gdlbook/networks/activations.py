"""Activations: what stands between two layers, and the derivative of each."""

from collections.abc import Callable
from math import erf, pi, sqrt
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "gelu",
    "gelu_derivative",
    "leaky_relu",
    "leaky_relu_derivative",
    "log_softmax",
    "relu",
    "relu_derivative",
    "sigmoid",
    "sigmoid_derivative",
    "softmax",
    "softmax_backward",
    "softmax_jacobian",
    "tanh",
    "tanh_derivative",
]

Array = NDArray[Any]


def relu(x: ArrayLike) -> Array:
    r"""Return $\max(x, 0)$: a match passes, everything else is zero.

    Args:
        x: Numbers of any shape. NaN passes through, here and in all that follows.

    Returns:
        The same shape; float32 stays float32, integers become float64.

    Raises:
        TypeError: If x does not hold real numbers.

    Source: Nair and Hinton, 2010, https://icml.cc/Conferences/2010/papers/432.pdf.
    """
    return np.maximum(_real(x), 0)


def relu_derivative(x: ArrayLike) -> Array:
    """Return 1 where x is above zero, else 0; at zero 0, as torch has it.

    Args, returns and raises as for `relu`.
    """
    x = _real(x)
    return np.where(np.isnan(x), x, (x > 0).astype(x.dtype))


def leaky_relu(x: ArrayLike, slope: float = 0.01) -> Array:
    r"""Return x where it is above zero, else $a x$ with a small slope a.

    Args:
        x: Numbers of any shape.
        slope: The slope a below zero.

    Returns and raises as for `relu`.

    Source: Maas, Hannun and Ng, 2013,
    https://ai.stanford.edu/~amaas/papers/relu_hybrid_icml2013_final.pdf.
    """
    x = _real(x)
    return np.where(x > 0, x, slope * x)


def leaky_relu_derivative(x: ArrayLike, slope: float = 0.01) -> Array:
    """Return 1 where x is above zero, else the slope; arguments as for `leaky_relu`."""
    x = _real(x)
    return np.where(np.isnan(x), x, np.where(x > 0, 1, slope)).astype(x.dtype)


def sigmoid(x: ArrayLike) -> Array:
    r"""Return $\sigma(x) = 1 / (1 + e^{-x})$, without overflow for any x.

    Args, returns and raises as for `relu`.

    Source: Goodfellow, Bengio and Courville, 2016, section 3.10,
    https://www.deeplearningbook.org/contents/prob.html.
    """
    x = _real(x)
    small = np.exp(-np.abs(x))  # at most 1, so nothing overflows
    y: Array = np.where(x >= 0, 1, small) / (1 + small)
    return y


def sigmoid_derivative(x: ArrayLike) -> Array:
    r"""Return $\sigma(x)\,(1 - \sigma(x))$, at most one quarter.

    The second factor is computed as $\sigma(-x)$: one minus a number close to one
    would lose its digits. Args, returns and raises as for `relu`.
    """
    x = _real(x)
    slope: Array = sigmoid(x) * sigmoid(-x)
    return slope


def tanh(x: ArrayLike) -> Array:
    r"""Return $\tanh x = 2\,\sigma(2x) - 1$, between -1 and 1.

    Args, returns and raises as for `relu`.
    """
    y: Array = np.tanh(_real(x))
    return y


def tanh_derivative(x: ArrayLike) -> Array:
    r"""Return $1 - \tanh^2 x = 4\,\sigma(2x)\,\sigma(-2x)$, at most one.

    Args, returns and raises as for `relu`.
    """
    slope: Array = 4 * sigmoid_derivative(2 * _real(x))
    return slope


def gelu(x: ArrayLike) -> Array:
    r"""Return $x\,\Phi(x)$, where $\Phi$ is the distribution of a standard normal.

    The exact form; torch has it as `gelu(x, approximate="none")`. Args, returns and
    raises as for `relu`.

    Source: Hendrycks and Gimpel, 2016, https://arxiv.org/abs/1606.08415.
    """
    x = _real(x)
    y: Array = x * _normal_cdf(x)
    return y


def gelu_derivative(x: ArrayLike) -> Array:
    r"""Return $\Phi(x) + x\,\varphi(x)$, where $\varphi$ is the density of $\Phi$.

    Args, returns and raises as for `relu`.
    """
    x = _real(x)
    with np.errstate(over="ignore", under="ignore"):
        density = np.exp(-(x**2) / 2) / x.dtype.type(sqrt(2 * pi))
    slope: Array = _normal_cdf(x) + x * density
    return slope


def softmax(x: ArrayLike) -> Array:
    r"""Return positive numbers of sum one along the last axis.

    $$p_j = \frac{e^{x_j}}{\sum_i e^{x_i}}
          = \frac{e^{x_j - m}}{\sum_i e^{x_i - m}}, \qquad m = \max_i x_i$$

    Args:
        x: Logits (..., kinds).

    Returns:
        Probabilities, the same shape.

    Raises:
        TypeError: If x does not hold real numbers.
        ValueError: If there is no last axis, or nothing along it.

    Source: Goodfellow, Bengio and Courville, 2016, section 4.1,
    https://www.deeplearningbook.org/contents/numerical.html.
    """
    grown = np.exp(_shifted(x))
    p: Array = grown / grown.sum(axis=-1, keepdims=True)
    return p


def log_softmax(x: ArrayLike) -> Array:
    r"""Return the logarithm of `softmax`, finite where the softmax is 0.

    $$\log p_j = x_j - m - \log \sum_i e^{x_i - m}$$

    Args and raises as for `softmax`.
    """
    x = _shifted(x)
    log_p: Array = x - np.log(np.exp(x).sum(axis=-1, keepdims=True))
    return log_p


def softmax_jacobian(x: ArrayLike) -> Array:
    r"""Return $\partial p_j / \partial x_i = p_j (\delta_{ij} - p_i)$.

    Here $\delta_{ij}$ is 1 where i is j and 0 elsewhere.

    Args:
        x: Logits (..., kinds).

    Returns:
        Shape (..., kinds, kinds), row j for output j. Raises as `softmax`.
    """
    p = softmax(x)
    same = np.eye(p.shape[-1], dtype=p.dtype)
    jacobian: Array = p[..., None] * (same - p[..., None, :])
    return jacobian


def softmax_backward(x: ArrayLike, gradient: ArrayLike) -> Array:
    r"""Return the gradient at the logits, from the one at the probabilities.

    $$\frac{\partial L}{\partial x_i} = p_i \Bigl(g_i - \sum_j g_j p_j\Bigr)$$

    The product of `gradient` with the Jacobian, without making the Jacobian.

    Args:
        x: Logits (..., kinds).
        gradient: $g_j = \partial L / \partial p_j$, the same shape.

    Raises:
        TypeError: If either does not hold real numbers.
        ValueError: If the shapes differ, or as `softmax`.
    """
    p, g = softmax(x), _real(gradient, "gradient")
    if g.shape != p.shape:
        raise ValueError(f"gradient has shape {g.shape}; expected that of x, {p.shape}")
    at_logits: Array = p * (g - (g * p).sum(axis=-1, keepdims=True))
    return at_logits


_erf: Callable[[Array], Array] = np.vectorize(erf, otypes=[np.float64])


def _normal_cdf(x: Array) -> Array:
    half = (1 + _erf(x / sqrt(2))) / 2
    cdf: Array = half.astype(x.dtype)
    return cdf


def _real(x: ArrayLike, name: str = "x") -> Array:
    """Return x as an array of floats, or raise."""
    array = np.asarray(x)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} holds {array.dtype}; expected real numbers")
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _shifted(x: ArrayLike) -> Array:
    """Return logits whose largest is zero, which changes no softmax."""
    x = _real(x)
    if x.ndim == 0 or x.shape[-1] == 0:
        raise ValueError(f"x has shape {x.shape}; expected (..., kinds), not empty")
    shifted: Array = x - x.max(axis=-1, keepdims=True)
    return shifted
