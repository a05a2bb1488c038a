"""Optimizers: four ways to turn gradients into steps, from plain descent to Adam."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Adam", "GradientDescent", "Momentum", "Optimizer", "RMSProp"]

Array = NDArray[Any]


class Optimizer:
    r"""What all optimizers share: a step against a direction.

    $$\theta_t = \theta_{t-1} - \eta\, d_t$$

    They differ in the direction $d_t$, which each makes of the gradients that it has
    seen so far. Every number of $\theta$ is treated as if it were alone, so the arrays
    of a network may be laid out as one long vector, or have an optimizer each.

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
        r"""Return the next $\theta$; the one that is given stays as it is.

        Args:
            theta: The parameters, of any shape, the same one at each step.
            gradient: Of the loss with respect to theta, the same shape.

        Returns:
            A new array of the same shape: float32 or float64 as theta; float16 becomes
                float32, since $\epsilon$ would be zero in it, and integers float64.

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
        """Return $d_t$, and remember what it needs of the gradient.

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
    r"""Plain descent: the direction is the gradient, $d_t = g_t$.

    Args:
        learning_rate: $\eta$. On a quadratic loss it has to stay below
            $2 / \lambda_\text{max}$, with $\lambda_\text{max}$ the largest curvature.

    Source: Goodfellow, Bengio and Courville, 2016, sections 4.3 and 8.3.1,
    https://www.deeplearningbook.org/contents/optimization.html.
    """

    def direction(self, gradient: Array) -> Array:
        """Return the gradient."""
        return gradient


class Momentum(Optimizer):
    r"""Heavy-ball momentum: the direction is a fading sum of the gradients.

    `d_t = u_t = momentum u_(t-1) + g_t`, from `u_0 = 0`.

    A gradient that stays the same is summed up to $1 / (1 - \mu)$ times itself. This is
    the form of `torch.optim.SGD`, without a factor $1 - \mu$ before $g_t$.

    Args:
        learning_rate: $\eta$.
        momentum: $\mu$, from 0 (plain descent) to below 1.

    Source: Polyak, 1964, https://doi.org/10.1016/0041-5553(64)90137-5.
    """

    def __init__(self, learning_rate: float, *, momentum: float = 0.9) -> None:
        super().__init__(learning_rate)
        self.momentum = _fraction("momentum", momentum)
        self.u: Array | float = 0.0

    def direction(self, gradient: Array) -> Array:
        """Return $u_t$, the fading sum."""
        self.u = self.momentum * self.u + gradient
        return self.u


class RMSProp(Optimizer):
    r"""The gradient, divided by the root of the mean of its recent squares.

    `v_t = rho v_(t-1) + (1 - rho) g_t^2`, from `v_0 = 0`, and
    `d_t = g_t / (sqrt(v_t) + epsilon)`.

    As in `torch.optim.RMSprop`, epsilon stands outside the root.

    Args:
        learning_rate: $\eta$.
        decay: $\rho$, from 0 to below 1: how much of the mean is kept at a step.
        epsilon: $\epsilon$, above zero: keeps the divisor from being zero.

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

    `m_t = beta1 m_(t-1) + (1 - beta1) g_t`,
    `v_t = beta2 v_(t-1) + (1 - beta2) g_t^2`, and
    `d_t = (m_t / (1 - beta1^t)) / (sqrt(v_t / (1 - beta2^t)) + epsilon)`.

    Both means begin at zero; the two divisors undo that.

    Args:
        learning_rate: $\eta$, about as long as a step gets in each coordinate.
        beta1: $\beta_1$, from 0 to below 1: how much of $m$ is kept at a step.
        beta2: $\beta_2$, from 0 to below 1: how much of $v$ is kept at a step.
        epsilon: $\epsilon$, above zero: keeps the divisor from being zero.

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
