"""Probability: sample space, density, family, likelihood, maximum likelihood."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "Bernoulli",
    "Categorical",
    "Normal",
    "gradient_ascent",
    "kl_divergence",
    "sample_space",
]

Array = NDArray[Any]


def sample_space(levels: int, cells: int) -> Array:
    """List all observations of so many cells, each of them at one of so many levels.

    Args:
        levels: Values of one cell: 256 for a pixel of 8 bits, 26 for a letter.
        cells: Numbers in one observation: 784 for a picture of 28 by 28.

    Returns:
        Whole numbers from 0 to levels - 1, shape (levels^cells, cells), in the order of
            counting.

    Raises:
        TypeError: If an argument is not an integer.
        ValueError: If it is below 1, or the list would be longer than a million.

    Source: Bertsekas and Tsitsiklis, *Introduction to Probability*, 2nd edition, 2008,
    section 1.2.
    """
    levels, cells = _count("levels", levels), _count("cells", cells)
    if (digits := cells * np.log10(levels)) > 6:
        size = f"{levels}^{cells}, about 10^{digits:.1f}, observations"
        raise ValueError(f"{size}; expected at most 10^6 to list")
    return np.indices((levels,) * cells).reshape(cells, -1).T


class Normal:
    r"""The family of normal distributions, on the real numbers.

    $$p(x) = \frac{1}{\sigma \sqrt{2\pi}} e^{-(x - \mu)^2 / 2\sigma^2}$$

    Args:
        mean: $\mu$, a real number.
        std: $\sigma$, above zero.

    Raises:
        TypeError: If a parameter is not a real number.
        ValueError: If one is NaN, infinite or not one number, or std is not above zero.

    Source: Bishop, *Pattern Recognition and Machine Learning*, 2006, section 1.2.4.
    """

    def __init__(self, mean: ArrayLike, std: ArrayLike) -> None:
        self.mean, self.std = _number("mean", mean), _number("std", std, above=0)

    def log_prob(self, x: ArrayLike) -> Array:
        """Return the log density of every number of x, in nats.

        Args:
            x: Real numbers, of any shape.

        Raises:
            TypeError: If x does not hold real numbers.
            ValueError: If x is empty, NaN or infinite.
        """
        z = (_real("x", x) - self.mean) / self.std
        log_p: Array = -0.5 * z**2 - np.log(self.std) - 0.5 * np.log(2 * np.pi)
        return log_p

    def sample(self, n: int, *, rng: np.random.Generator) -> Array:
        """Return n independent draws, shape (n,)."""
        return _source(rng).normal(self.mean, self.std, _count("n", n))

    @classmethod
    def maximum_likelihood(cls, x: ArrayLike) -> Self:
        """Return the likeliest member: mean and std of x, with squares divided by n.

        Args and raises as for `log_prob`; a ValueError too if all values are the same,
        since no std above zero is then the likeliest.
        """
        x = _real("x", x)
        if x.min() == x.max():
            seen = f"x holds nothing but {x.min():g}"
            raise ValueError(f"{seen}; expected two values that differ")
        return cls(x.mean(), x.std())

    def gradient(self, x: ArrayLike) -> Array:
        """Return the gradient of the mean log-likelihood in mean and log std.

        With z = (x - mean) / std, it is the mean of z over std, and the mean of z**2,
        minus one. Args and raises as for `log_prob`; the shape is (2,).
        """
        z = (_real("x", x) - self.mean) / self.std
        return np.array([z.mean() / self.std, (z**2).mean() - 1])


class Bernoulli:
    """The family of distributions on 0 and 1: probability p for 1, 1 - p for 0.

    Args:
        p: Probability of 1, from 0 to 1.

    Raises:
        TypeError: If p is not a real number.
        ValueError: If it is NaN, outside of [0, 1], or not one number.

    Source: Bishop, *Pattern Recognition and Machine Learning*, 2006, section 2.1.
    """

    def __init__(self, p: ArrayLike) -> None:
        self.p = _number("p", _probabilities(p))

    def log_prob(self, x: ArrayLike) -> Array:
        """Return the log probability of every number of x, in nats.

        It is minus infinity where the probability is zero. Args and raises as for
        `Normal.log_prob`; a ValueError too for anything but 0 and 1.
        """
        with np.errstate(divide="ignore"):
            log_p: Array = np.array([np.log1p(-self.p), np.log(self.p)])
        return log_p[_ones(x)]

    def sample(self, n: int, *, rng: np.random.Generator) -> Array:
        """Return n independent draws, zeros and ones, shape (n,)."""
        return _source(rng).binomial(1, self.p, _count("n", n))

    @classmethod
    def maximum_likelihood(cls, x: ArrayLike) -> Self:
        """Return the likeliest member: p is the share of ones.

        Args and raises as for `log_prob`.
        """
        return cls(_ones(x).mean())

    def gradient(self, x: ArrayLike) -> Array:
        """Return the gradient of the mean log-likelihood in the log odds of p.

        It is the share of ones minus p. Args and raises as for `log_prob`; the shape is
        ().
        """
        return np.asarray(_ones(x).mean() - self.p)


class Categorical:
    """The family of distributions on 0 to k - 1, k kinds: probability p[x] for x.

    Args:
        p: Probabilities of the kinds, shape (k,), of sum one up to 1e-6.

    Raises:
        TypeError: If p does not hold real numbers.
        ValueError: If it has another shape or sum, or a value outside of [0, 1].

    Source: Bishop, *Pattern Recognition and Machine Learning*, 2006, section 2.2.
    """

    def __init__(self, p: ArrayLike) -> None:
        p = _probabilities(p)
        if p.ndim != 1 or abs(p.sum() - 1) > 1e-6:
            raise ValueError(
                f"p has shape {p.shape} and sum {p.sum():.6g}; expected (kinds,) and 1"
            )
        self.p = p / p.sum()

    def log_prob(self, x: ArrayLike) -> Array:
        """Return the log probability of every number of x, in nats.

        It is minus infinity where the probability is zero. The shape of x is any.
        Raises TypeError for numbers that are not whole, and ValueError for an empty x,
        or one that names no kind.
        """
        with np.errstate(divide="ignore"):
            log_p: Array = np.log(self.p)
        return log_p[_kinds(x, len(self.p))]

    def sample(self, n: int, *, rng: np.random.Generator) -> Array:
        """Return n independent draws, whole numbers, shape (n,)."""
        return _source(rng).choice(len(self.p), _count("n", n), p=self.p)

    @classmethod
    def maximum_likelihood(cls, x: ArrayLike, kinds: int) -> Self:
        """Return the likeliest member: p holds the share of each kind.

        Args and raises as for `log_prob`; `kinds` counts all there are, seen or not.
        """
        return cls(_shares(x, _count("kinds", kinds)))

    def gradient(self, x: ArrayLike) -> Array:
        """Return the gradient of the mean log-likelihood in the logits, log p.

        It is the share of each kind minus p. Args and raises as for `log_prob`; the
        shape is (k,).
        """
        gradient: Array = _shares(x, len(self.p)) - self.p
        return gradient


def gradient_ascent(
    gradient: Callable[[Array], ArrayLike],
    start: ArrayLike,
    *,
    rate: float,
    steps: int,
) -> Array:
    """Climb: add rate times the gradient, step by step, and return the path.

    Args:
        gradient: Maps parameters to the gradient of f there, of the same shape.
        start: First parameters, shape (...).
        rate: Length of a step where the gradient is one, above zero.
        steps: How many, at least 1.

    Returns:
        Parameters from the start on, shape (steps + 1, ...).

    Raises:
        TypeError: If start or a gradient is not real, or steps not an integer.
        ValueError: If one is NaN or infinite, a gradient has another shape, the rate is
            not above zero, or there is no step.

    Source: Goodfellow, Bengio and Courville, *Deep Learning*, 2016, section 4.3,
    https://www.deeplearningbook.org/contents/numerical.html.
    """
    path, rate = [_real("start", start)], _number("rate", rate, above=0)
    for step in range(_count("steps", steps)):
        slope = _real(f"the gradient of step {step}", gradient(path[-1]))
        if slope.shape != path[0].shape:
            seen = f"the gradient has shape {slope.shape}"
            raise ValueError(f"{seen}; expected {path[0].shape}")
        path.append(path[-1] + rate * slope)
    return np.stack(path)


def kl_divergence(
    log_p: ArrayLike, log_q: ArrayLike, *, grid: ArrayLike | None = None
) -> float:
    r"""Return the divergence $\KL(p, q)$ from p to q, in nats.

    It is the mean of log p(x) - log q(x) under p, and infinite if q rules out what p
    does not: a sum, or for densities an integral on a grid, by the trapezoid rule, as
    exact as the grid is fine and holds all of p.

    Args:
        log_p: Log probabilities or log densities, shape (m,); minus infinity is zero.
        log_q: The same of q.
        grid: Rising numbers, shape (m,), where the densities are taken; without it, p
            and q are probabilities of separate values.

    Raises:
        TypeError: If an array does not hold real numbers.
        ValueError: If one is NaN, plus infinity, or empty, the shapes differ, the grid
            does not rise, or p does not add up to one within a thousandth.

    Source: MacKay, *Information Theory, Inference, and Learning Algorithms*, 2003,
    section 2.6.
    """
    left, right = (_logs(n, v) for n, v in (("log_p", log_p), ("log_q", log_q)))
    x = np.arange(left.size) if grid is None else _real("grid", grid)
    if not left.shape == right.shape == x.shape:
        raise ValueError(
            f"log_p has shape {left.shape}, log_q {right.shape} and grid {x.shape}; "
            "expected one shape (m,)"
        )
    if (np.diff(x) <= 0).any():
        raise ValueError("grid does not rise; expected each number above the last")

    def add(values: Array) -> float:
        return float(values.sum() if grid is None else np.trapezoid(values, x))

    p = np.exp(left)
    if abs(add(p) - 1) > 1e-3:
        raise ValueError(f"p adds up to {add(p):.4g}; expected 1")
    with np.errstate(invalid="ignore"):
        return add(np.where(p > 0, p * (left - right), 0.0))


def _real(name: str, value: ArrayLike) -> Array:
    """Return value as float64, one number or more, all of them finite."""
    array = _array(name, value).astype(np.float64)
    if bad := int((~np.isfinite(array)).sum()):
        raise ValueError(
            f"{name} holds {bad} of {array.size} values that are NaN or infinite; "
            "expected finite numbers"
        )
    return array


def _array(name: str, value: ArrayLike) -> Array:
    """Return value as an array of real numbers, at least one."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is no array: {error}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} holds {array.dtype}; expected real numbers")
    if not array.size:
        raise ValueError(f"{name} has shape {array.shape}; expected one number or more")
    return array


def _logs(name: str, value: ArrayLike) -> Array:
    array = _array(name, value).astype(np.float64)
    if not (array < np.inf).all():
        raise ValueError(f"{name} holds NaN or plus infinity; expected logarithms")
    return array


def _number(name: str, value: ArrayLike, *, above: float = -np.inf) -> float:
    array = _real(name, value)
    if array.ndim:
        raise ValueError(f"{name} has shape {array.shape}; expected one number")
    if array <= above:
        raise ValueError(f"{name} is {array:g}; expected a number above {above:g}")
    return float(array)


def _probabilities(p: ArrayLike) -> Array:
    array = _real("p", p)
    if array.min() < 0 or array.max() > 1:
        raise ValueError(
            f"p runs from {array.min():g} to {array.max():g}; expected probabilities, "
            "from 0 to 1"
        )
    return array


def _ones(x: ArrayLike) -> Array:
    """Return x as whole numbers, if it lies in the sample space {0, 1}."""
    array = _real("x", x)
    if (outside := array[(array != 0) & (array != 1)]).size:
        raise ValueError(f"x holds {outside[0]:g}; expected the sample space {{0, 1}}")
    return array.astype(np.int64)


def _kinds(x: ArrayLike, kinds: int) -> Array:
    """Return x, if it lies in the sample space {0, ..., kinds - 1}."""
    array = _array("x", x)
    if array.dtype.kind not in "ui":
        raise TypeError(f"x holds {array.dtype}; expected whole numbers")
    if array.min() < 0 or array.max() >= kinds:
        raise ValueError(
            f"x runs from {array.min()} to {array.max()}; expected the sample space "
            f"{{0, ..., {kinds - 1}}}"
        )
    return array


def _shares(x: ArrayLike, kinds: int) -> Array:
    array = _kinds(x, kinds).ravel()
    shares: Array = np.bincount(array, minlength=kinds) / array.size
    return shares


def _count(name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name} is {value!r}; expected a whole number")
    if value < 1:
        raise ValueError(f"{name} is {value}; expected 1 or more")
    return int(value)


def _source(rng: Any) -> np.random.Generator:
    if not isinstance(rng, np.random.Generator):
        raise TypeError(f"rng is {rng!r}; expected np.random.default_rng(seed)")
    return rng
