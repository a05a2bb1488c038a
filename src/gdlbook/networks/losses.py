"""Losses: three of them, each the negative log-likelihood of a distribution."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_gradient",
    "cross_entropy",
    "cross_entropy_gradient",
    "mean_squared_error",
    "mean_squared_error_gradient",
]

Array = NDArray[Any]


def mean_squared_error(prediction: ArrayLike, target: ArrayLike) -> float:
    r"""Return the mean of the squared differences.

    $$L = \frac{1}{n} \sum_{i=1}^{n} (y_i - \hat y_i)^2$$

    Up to a factor and a constant, the negative log-likelihood of normal distributions
    with means $\hat y_i$ and one standard deviation, the same for all.

    Args:
        prediction: $\hat y$, real numbers of any shape, n in all.
        target: $y$, the same shape.

    Returns:
        The loss, in the square of the unit of the target.

    Raises:
        TypeError: If either does not hold real numbers.
        ValueError: If the shapes differ, or a value is missing, NaN or infinite.

    Source: Bishop, *Pattern Recognition and Machine Learning*, 2006, section 1.2.5.
    """
    prediction, target = _pair(prediction, target)
    return float(np.mean((target - prediction) ** 2))


def mean_squared_error_gradient(prediction: ArrayLike, target: ArrayLike) -> Array:
    r"""Return $\partial L / \partial \hat y_i = 2\,(\hat y_i - y_i) / n$.

    Args and raises as for `mean_squared_error`; the shape is that of the prediction.
    """
    prediction, target = _pair(prediction, target)
    gradient: Array = 2 * (prediction - target) / prediction.size
    return gradient


def binary_cross_entropy(logits: ArrayLike, target: ArrayLike) -> float:
    r"""Return the mean negative log-likelihood of Bernoulli distributions, in nats.

    $$L = -\frac{1}{n} \sum_{i=1}^{n}
        \bigl(y_i \log p_i + (1 - y_i) \log (1 - p_i)\bigr),
      \qquad p_i = \sigma(\ell_i)$$

    It is computed from the logits, as $\max(\ell, 0) - \ell y + \log(1 + e^{-|\ell|})$,
    so that no probability is rounded to 0 or 1 before its logarithm is taken.

    Args:
        logits: $\ell$, real numbers of any shape, n in all.
        target: $y$ in [0, 1], the same shape.

    Raises:
        TypeError: If either does not hold real numbers.
        ValueError: If the shapes differ, a value is missing, NaN or infinite, or a
            target lies outside of [0, 1].

    Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.2,
    https://www.deeplearningbook.org/contents/mlp.html.
    """
    logits, target = _yes_or_no(logits, target)
    losses = np.maximum(logits, 0) - logits * target + np.log1p(_small(logits))
    return float(np.mean(losses))


def binary_cross_entropy_gradient(logits: ArrayLike, target: ArrayLike) -> Array:
    r"""Return $\partial L / \partial \ell_i = (\sigma(\ell_i) - y_i) / n$.

    Args and raises as for `binary_cross_entropy`; the shape is that of the logits.
    """
    logits, target = _yes_or_no(logits, target)
    small = _small(logits)
    p = np.where(logits >= 0, 1, small) / (1 + small)
    gradient: Array = (p - target) / logits.size
    return gradient


def cross_entropy(logits: ArrayLike, labels: ArrayLike) -> float:
    r"""Return the mean negative log-likelihood of categorical distributions, in nats.

    $$L = -\frac{1}{n} \sum_{m=1}^{n} \log \operatorname{softmax}(\ell_m)_{y_m}$$

    Args:
        logits: $\ell$ (n, kinds).
        labels: $y$ (n,), whole numbers from 0 to kinds - 1.

    Raises:
        TypeError: If logits are not real or labels not whole numbers.
        ValueError: If a shape does not fit, a logit is NaN or infinite, there is no
            row, or a label names no kind.

    Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 6.2.2.3,
    https://www.deeplearningbook.org/contents/mlp.html.
    """
    logits, labels = _one_of_many(logits, labels)
    log_p = _log_softmax(logits)
    return float(-np.mean(log_p[np.arange(len(labels)), labels]))


def cross_entropy_gradient(logits: ArrayLike, labels: ArrayLike) -> Array:
    r"""Return $\partial L / \partial \ell_{mj} = (p_{mj} - [j = y_m]) / n$.

    The bracket is 1 for the right kind and 0 for the others. Args and raises as for
    `cross_entropy`; the shape is that of the logits.
    """
    logits, labels = _one_of_many(logits, labels)
    gradient: Array = np.exp(_log_softmax(logits))
    gradient[np.arange(len(labels)), labels] -= 1
    return gradient / len(labels)


def _small(logits: Array) -> Array:
    """Return exp(-|logits|), which never overflows."""
    small: Array = np.exp(-np.abs(logits))
    return small


def _log_softmax(logits: Array) -> Array:
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p: Array = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return log_p


def _real(name: str, value: ArrayLike) -> Array:
    """Return value as an array of finite floats, or raise."""
    array = np.asarray(value)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} holds {array.dtype}; expected real numbers")
    if not array.size:
        raise ValueError(f"{name} has shape {array.shape}; expected one number or more")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"{name} holds {bad} of {array.size} values that are NaN or infinite; "
            "expected finite numbers"
        )
    return array if array.dtype.kind == "f" else array.astype(np.float64)


def _pair(
    prediction: ArrayLike, target: ArrayLike, name: str = "prediction"
) -> tuple[Array, Array]:
    """Return both as arrays of one shape: numpy would stretch (n,) over (n, 1)."""
    left, right = _real(name, prediction), _real("target", target)
    if left.shape != right.shape:
        raise ValueError(
            f"{name} has shape {left.shape} and target {right.shape}; expected one "
            "target for each, in the same shape"
        )
    return left, right


def _yes_or_no(logits: ArrayLike, target: ArrayLike) -> tuple[Array, Array]:
    left, right = _pair(logits, target, "logits")
    if right.min() < 0 or right.max() > 1:
        raise ValueError(
            f"target runs from {right.min():g} to {right.max():g}; expected "
            "probabilities, from 0 to 1"
        )
    return left, right


def _one_of_many(logits: ArrayLike, labels: ArrayLike) -> tuple[Array, Array]:
    left, right = _real("logits", logits), np.asarray(labels)
    if right.dtype.kind not in "ui":
        raise TypeError(f"labels hold {right.dtype}; expected whole numbers")
    if left.ndim != 2 or right.shape != left.shape[:1]:
        raise ValueError(
            f"logits have shape {left.shape} and labels {right.shape}; expected "
            "(n, kinds) and (n,)"
        )
    if right.min() < 0 or right.max() >= left.shape[1]:
        raise ValueError(
            f"labels run from {right.min()} to {right.max()}; with "
            f"{left.shape[1]} logits a row, expected 0 to {left.shape[1] - 1}"
        )
    return left, right
