"""Optimizers: four ways to turn gradients into steps, from plain descent to Adam."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Adam", "GradientDescent", "Momentum", "Optimizer", "RMSProp"]

Array = NDArray[Any]


class Optimizer:
    r"""What all optimizers share: a step against a direction.

    $$\theta \leftarrow \theta - \eta\, d$$

    They differ in the direction d, which each makes of the gradients seen so far. Every
    number of theta is treated as if it were alone, so the arrays of a network may be
    laid out as one long vector, or have an optimizer each.

    Args:
        learning_rate: $\eta$, above zero.

    Raises:
        TypeError: If the rate, or another setting below, is not a real number.
        ValueError: If it lies outside its range.
    """

    def __init__(self, learning_rate: float) -> None:
        self.learning_rate = _positive("learning_rate", learning_rate)
        self._shape: tuple[int, ...] | None = None

    def step(self, theta: ArrayLike, gradient: ArrayLike) -> Array:
        """Return the next theta; the one that is given stays as it is.

        Args:
            theta: The parameters, of any shape, the same one at each step.
            gradient: Of the loss with respect to theta, the same shape.

        Returns:
            A new array of the same shape: float32 or float64 as theta; float16 becomes
                float32, since epsilon would be zero in it, and integers float64.

        Raises:
            TypeError: If an array does not hold real numbers.
            ValueError: If the shapes differ from each other or from those of the step
                before, or a number is NaN or infinite.
        """
        theta = _finite("theta", theta)
        gradient = _finite("gradient", gradient).astype(theta.dtype, copy=False)
        self._check_shapes(theta, gradient)
        return theta - self.learning_rate * self.direction(gradient)

    def direction(self, gradient: Array) -> Array:
        """Return d, and remember what it needs of the gradient.

        `step` checks the gradient and calls this once; a subclass writes it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} has no direction; use a subclass that defines it, "
            "as Adam does"
        )

    def _check_shapes(self, theta: Array, gradient: Array) -> None:
        if gradient.shape != theta.shape:
            raise ValueError(
                f"gradient has shape {gradient.shape}; expected that of theta, "
                f"{theta.shape}"
            )
        if self._shape not in (None, theta.shape):
            raise ValueError(
                f"theta has shape {theta.shape}; expected that of the steps before, "
                f"{self._shape} (each array needs an optimizer of its own)"
            )
        self._shape = theta.shape


class GradientDescent(Optimizer):
    """Plain descent: the direction is the gradient.

    Args:
        learning_rate: On a quadratic loss, below two over the largest curvature.

    Source: Goodfellow, Bengio and Courville, 2016, sections 4.3 and 8.3.1,
    https://www.deeplearningbook.org/contents/optimization.html.
    """

    def direction(self, gradient: Array) -> Array:
        """Return the gradient."""
        return gradient


class Momentum(Optimizer):
    r"""Heavy-ball momentum: the direction is a fading sum of the gradients.

    $$u \leftarrow \mu\, u + g, \qquad d = u$$

    It begins at zero. A gradient g that stays the same is summed to 1 / (1 - momentum)
    of itself. This is the form of `torch.optim.SGD`.

    Args:
        learning_rate: As for `Optimizer`.
        momentum: $\mu$, from 0 (plain descent) to below 1.

    Source: Polyak, 1964, https://doi.org/10.1016/0041-5553(64)90137-5.
    """

    def __init__(self, learning_rate: float, *, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        self.momentum = _fraction("momentum", momentum)
        self.u: Array | float = 0.0

    def direction(self, gradient: Array) -> Array:
        """Return the fading sum."""
        self.u = self.momentum * self.u + gradient
        return self.u


class RMSProp(Optimizer):
    r"""The gradient, divided by the root of the mean of its recent squares.

    $$v \leftarrow \rho\, v + (1 - \rho)\, g^2, \qquad d = g / (\sqrt v + \epsilon)$$

    The mean v begins at zero. As in torch, epsilon stands outside the root.

    Args:
        learning_rate: As for `Optimizer`.
        decay: $\rho$, from 0 to below 1: how much of the mean is kept at a step.
        epsilon: Above zero: keeps the divisor from being zero.

    Source: Tieleman and Hinton, 2012, lecture 6e,
    https://www.cs.toronto.edu/~tijmen/csc321/slides/lecture_slides_lec6.pdf.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        decay: float = 0.99,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate)
        self.decay = _fraction("decay", decay)
        self.epsilon = _positive("epsilon", epsilon)
        self.v: Array | float = 0.0

    def direction(self, gradient: Array) -> Array:
        """Return the gradient over the root of the mean of its squares."""
        self.v = self.decay * self.v + (1 - self.decay) * gradient**2
        scaled: Array = gradient / (np.sqrt(self.v) + self.epsilon)
        return scaled


class Adam(Optimizer):
    r"""A mean of the gradients over the root of a mean of their squares.

    $$m \leftarrow \beta_1 m + (1 - \beta_1)\, g$$

    $$v \leftarrow \beta_2 v + (1 - \beta_2)\, g^2$$

    $$d = \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$

    Both means begin at zero; the two divisors, at step t, undo that.

    Args:
        learning_rate: About as far as a step moves a number of theta while its
            gradients agree.
        beta1: How much of m is kept at a step, from 0 to below 1.
        beta2: How much of v is kept at a step, from 0 to below 1.
        epsilon: Above zero: keeps the divisor from being zero.

    Source: Kingma and Ba, 2014, algorithm 1, https://arxiv.org/abs/1412.6980.
    """

    def __init__(
        self,
        learning_rate: float,
        *,
        beta1: float = 0.9,
        beta2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        super().__init__(learning_rate)
        self.beta1 = _fraction("beta1", beta1)
        self.beta2 = _fraction("beta2", beta2)
        self.epsilon = _positive("epsilon", epsilon)
        self.t = 0
        self.m: Array | float = 0.0
        self.v: Array | float = 0.0

    def direction(self, gradient: Array) -> Array:
        """Return the corrected mean over the root of the corrected mean square."""
        self.t += 1
        self.m = self.beta1 * self.m + (1 - self.beta1) * gradient
        self.v = self.beta2 * self.v + (1 - self.beta2) * gradient**2
        mean = self.m / (1 - self.beta1**self.t)
        mean_square = self.v / (1 - self.beta2**self.t)
        scaled: Array = mean / (np.sqrt(mean_square) + self.epsilon)
        return scaled


def _finite(name: str, value: ArrayLike) -> Array:
    """Return value as an array of float32 or float64, or raise."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} must be an array, got {error}") from None
    if array.dtype.kind not in "buif":
        raise TypeError(f"{name} holds {array.dtype}; expected real numbers")
    if array.dtype.kind != "f":
        array = array.astype(np.float64)
    finite = np.isfinite(array)
    if not finite.all():
        raise ValueError(
            f"{name} holds NaN or infinity in {np.sum(~finite)} of {array.size} "
            "places; expected finite numbers (was a step before this one too long?)"
        )
    return array.astype(np.result_type(array, np.float32), copy=False)


def _real(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        seen = f"{value!r} ({type(value).__name__})"
        raise TypeError(f"{name} must be a real number, got {seen}")
    return float(value)  # a NumPy float64 would turn float32 arrays into float64


def _positive(name: str, value: Any) -> float:
    number = _real(name, value)
    if not 0 < number < np.inf:
        raise ValueError(f"{name} must be above zero and finite, got {number}")
    return number


def _fraction(name: str, value: Any) -> float:
    number = _real(name, value)
    if not 0 <= number < 1:
        raise ValueError(f"{name} must be from 0 to below 1, got {number}")
    return number
