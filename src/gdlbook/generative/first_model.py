"""The first models: a histogram for each pixel, one Gaussian, mixtures of either."""

import math
import operator
from collections.abc import Sequence
from typing import Any, Self, TypeVar, cast

import torch
from torch import Generator, Tensor, nn

from gdlbook.generative.framework import Density, GenerativeModel

__all__ = [
    "Gaussian",
    "IndependentPixels",
    "Mixture",
    "bits_per_dimension",
    "dequantize",
]

Number = TypeVar("Number", float, Tensor)


def bits_per_dimension(nats: Number, d: int) -> Number:
    r"""Return a surprise in bits for each number of an observation.

    $$\frac{-\log p(x)}{d \, \log 2}$$

    Args:
        nats: $-\log p(x)$ in nats, a number or a tensor of any shape. A density must
            be per gray level: on pixels divided by 256, add $d \log 256$ to the nats.
        d: Numbers in one observation, at least 1.

    Raises:
        TypeError: If nats is not a number or a tensor, or d is not an integer.
        ValueError: If d is below 1.

    Source: Theis, van den Oord and Bethge, "A note on the evaluation of generative
    models", section 3.1, https://arxiv.org/abs/1511.01844.
    """
    if not isinstance(nats, float | int | Tensor):
        raise TypeError(f"nats is a {type(nats).__name__}; expected a number or tensor")
    return nats / (_count("d", d) * math.log(2))


def dequantize(x: Tensor, *, generator: Generator | None = None) -> Tensor:
    """Add even noise from 0 to 1 to whole gray levels, so that a density fits them.

    The mean log density of what this returns is a lower bound on the log probability of
    the pictures themselves, and its bits per dimension are an upper bound.

    Args:
        x: Pictures, uint8, (n, ...).
        generator: Where the noise comes from; without one, torch's own.

    Returns:
        float64 of the shape of x, at least x and below x + 1.

    Raises:
        TypeError: If x is not a tensor of uint8.
        ValueError: If x has no axis for the observations, or is empty.

    Source: https://arxiv.org/abs/1511.01844, section 3.1.
    """
    _observations(x, whole=True)
    return x + torch.rand(x.shape, generator=_checked(generator), dtype=torch.float64)


class IndependentPixels(GenerativeModel):
    r"""A histogram of the levels for each pixel, and no link between pixels.

    $$P(x) = \prod_j P_j(x_j)$$

    The sample space is whole levels: `log_prob` is the log of a probability.

    Args:
        probs: Probability of each level, (..., levels): the shape of an observation,
            then at most 256 levels; no number is negative, each last axis sums to 1.

    Raises:
        TypeError: If probs is not a floating tensor.
        ValueError: If probs has another shape, or is no set of probabilities.
    """

    density = Density.EXACT
    probs: Tensor

    def __init__(self, probs: Tensor) -> None:
        super().__init__()
        _floating("probs", probs)
        if probs.ndim < 2 or not probs.numel() or probs.shape[-1] > 256:
            raise ValueError(
                f"probs has shape {tuple(probs.shape)}; expected (..., levels), the "
                "shape of an observation and up to 256 levels"
            )
        self.register_buffer("probs", _probabilities("probs", probs))
        self._shape = tuple(probs.shape[:-1])

    @classmethod
    def example(cls) -> Self:
        """Return histograms of twenty pictures of four random pixels."""
        x = torch.randint(256, (20, 4), generator=Generator().manual_seed(0))
        return cls.fit(x.byte())

    @classmethod
    def fit(cls, x: Tensor, *, pseudo: float = 10.0) -> Self:
        r"""Count the levels of each pixel, in closed form.

        $$P(v) = \frac{n(v) + a / 256}{n + a}$$

        Here $n(v)$ counts the pictures whose pixel has level $v$, and $a$
        pseudo-observations are spread evenly over the levels.

        Args:
            x: Pictures, uint8, (n, ...).
            pseudo: The number $a$ of pseudo-observations, from zero up.

        Raises:
            TypeError: If x is not a tensor of uint8, or pseudo is not a number.
            ValueError: If x is empty, or pseudo is negative or not finite.
        """
        _observations(x, whole=True)
        return cls._weighted(x, torch.ones(len(x)).double(), _pseudo(pseudo))

    @classmethod
    def _weighted(
        cls, x: Tensor, weights: Tensor, pseudo: float, whole: Any = None
    ) -> Self:
        """Count picture i weights[i] times; pseudo-observations are spread by whole."""
        levels = x.flatten(1).T.long()
        counts = torch.zeros(len(levels), 256, dtype=torch.float64)
        counts.scatter_add_(1, levels, weights.expand(levels.shape))
        even = torch.full((*x.shape[1:], 256), 1 / 256, dtype=torch.float64)
        spread = even if whole is None else whole.probs
        counts = counts.reshape(spread.shape) + pseudo * spread
        return cls(counts / (weights.sum() + pseudo))

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log probability of x, uint8 (n, ...): float64 nats, (n,)."""
        _observations(x, whole=True, shape=self._shape)
        levels = self.probs.shape[-1]
        if levels < 256 and int(x.max()) >= levels:
            raise ValueError(
                f"x holds the level {int(x.max())}, outside the sample space: "
                f"levels run from 0 to {levels - 1}"
            )
        log_probs = self.probs.log().reshape(-1, levels)
        return log_probs.gather(1, x.flatten(1).T.long()).sum(dim=0)

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw a level for each pixel, each by itself: uint8 (n, ...)."""
        n, rows = _count("n", n), self.probs.flatten(0, -2)
        levels = rows.multinomial(n, replacement=True, generator=_checked(generator))
        return levels.T.reshape(n, *self._shape).byte()


class Gaussian(GenerativeModel):
    r"""One Gaussian with a full covariance: every pixel varies with every other.

    $$-2 \log p(x) = \log \det(2 \pi \Sigma)
      + (x - \mu)^\top \Sigma^{-1} (x - \mu)$$

    The sample space is all real numbers: `log_prob` is the log of a density, per unit
    of x.

    Args:
        mean: $\mu$, of the shape (...) of an observation with $d$ numbers.
        covariance: $\Sigma$, (d, d), symmetric and positive definite.

    Raises:
        TypeError: If an argument is not a floating tensor.
        ValueError: If shapes do not fit, a number is not finite, or the covariance is
            not symmetric or not positive definite.
    """

    density = Density.EXACT
    mean: Tensor
    covariance: Tensor
    factor: Tensor

    def __init__(self, mean: Tensor, covariance: Tensor) -> None:
        super().__init__()
        _floating("mean", mean)
        _floating("covariance", covariance)
        d = mean.numel()
        if mean.ndim < 1 or not d or covariance.shape != (d, d):
            raise ValueError(
                f"covariance has shape {tuple(covariance.shape)} and mean "
                f"{tuple(mean.shape)}; expected ({d}, {d}) for a mean of {d} numbers"
            )
        self.register_buffer("mean", mean.double())
        self.register_buffer("covariance", covariance.double())
        self.register_buffer("factor", _cholesky(self.covariance))
        self._shape = tuple(mean.shape)

    @classmethod
    def example(cls) -> Self:
        """Return the Gaussian of twenty random points on the plane."""
        return cls.fit(torch.randn(20, 2, generator=Generator().manual_seed(0)))

    @classmethod
    def fit(cls, x: Tensor, *, pseudo: float = 10.0) -> Self:
        r"""Measure mean and covariance, in closed form.

        $$\Sigma = \frac{n S + a V}{n + a}$$

        Here $S$ is the covariance of the $n$ observations, and $V$ holds the diagonal
        of $S$ and zeros elsewhere: the $a$ pseudo-observations vary without a link
        between pixels. This shrinks the covariances, and makes $\Sigma$ positive
        definite where observations are fewer than pixels.

        Args:
            x: Real numbers, floating, (n, ...); whole gray levels go through
                `dequantize` first.
            pseudo: The number $a$ of pseudo-observations, from zero up.

        Raises:
            TypeError: If x is not a floating tensor, or pseudo is not a number.
            ValueError: If x is empty or not finite, if pseudo is negative or not
                finite, or if the covariance is not positive definite.

        Source: Schäfer and Strimmer, "A Shrinkage Approach to Large-Scale Covariance
        Matrix Estimation", 2005, target D, https://doi.org/10.2202/1544-6115.1175.
        """
        _observations(x, whole=False)
        return cls._weighted(x, torch.ones(len(x)).double(), _pseudo(pseudo))

    @classmethod
    def _weighted(
        cls, x: Tensor, weights: Tensor, pseudo: float, whole: Any = None
    ) -> Self:
        """Count row i weights[i] times; pseudo-observations vary as those of whole."""
        rows, total = x.flatten(1).double(), weights.sum()
        mean = weights @ rows / total
        rows = (rows - mean) * weights.sqrt()[:, None]
        scatter = rows.T @ rows
        variances = (scatter / total if whole is None else whole.covariance).diagonal()
        covariance = (scatter + pseudo * variances.diag()) / (total + pseudo)
        return cls(mean.reshape(x.shape[1:]), covariance)

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log density of x, floating (n, ...): float64 nats, (n,)."""
        _observations(x, whole=False, shape=self._shape)
        # With the factor L, the covariance is L L^T, and z below is standard normal.
        centered = (x.double() - self.mean).flatten(1).T
        z: Tensor = torch.linalg.solve_triangular(self.factor, centered, upper=False)
        volume = self.factor.diagonal().log().sum() + len(z) / 2 * math.log(2 * math.pi)
        return -0.5 * z.square().sum(dim=0) - volume

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw standard normal z, and return the mean plus L z: float32 (n, ...)."""
        shape = (_count("n", n), len(self.factor))
        z = torch.randn(shape, generator=_checked(generator), dtype=torch.float64)
        return (self.mean + (z @ self.factor.T).reshape(-1, *self._shape)).float()


class Mixture(GenerativeModel):
    r"""Several models of one kind: choose one of them by lot, let it draw.

    $$p(x) = \sum_c w_c \, p_c(x)$$

    Args:
        components: The models $p_c$, all of one class and one shape.
        weights: Their probabilities $w_c$, (K,).

    Attributes:
        trace: Of a fitted mixture, the mean log probability of the training data after
            each step, in nats; empty for any other.

    Raises:
        TypeError: If components are not models of one class, or weights not floating.
        ValueError: If shapes do not fit, or weights are no K probabilities.
    """

    density = Density.EXACT
    weights: Tensor

    def __init__(
        self, components: Sequence[IndependentPixels | Gaussian], weights: Tensor
    ) -> None:
        super().__init__()
        kinds = {type(component).__name__ for component in components}
        if kinds not in ({"IndependentPixels"}, {"Gaussian"}):
            raise TypeError(
                f"components are of {sorted(kinds)}; expected one or more, all of them "
                "IndependentPixels or all of them Gaussian"
            )
        shapes = {component._shape for component in components}
        if len(shapes) > 1:
            raise ValueError(f"components are of shapes {sorted(shapes)}; expected one")
        _floating("weights", weights)
        if weights.shape != (len(components),):
            raise ValueError(
                f"weights has shape {tuple(weights.shape)}; expected "
                f"({len(components)},), one for each component"
            )
        self.components = nn.ModuleList(components)
        self.register_buffer("weights", _probabilities("weights", weights))
        self.trace: list[float] = []

    @classmethod
    def example(cls) -> Self:
        """Return two Gaussians, fitted to twenty random points on the plane."""
        generator = Generator().manual_seed(0)
        x = torch.randn(20, 2, generator=generator)
        return cls.fit(x, Gaussian, 2, generator=generator)

    @classmethod
    def fit(
        cls,
        x: Tensor,
        family: type[IndependentPixels] | type[Gaussian],
        k: int,
        *,
        steps: int = 5,
        pseudo: float = 10.0,
        generator: Generator | None = None,
    ) -> Self:
        """Fit k components by expectation and maximization in turn (EM).

        It begins with k random observations, and each row belongs to the nearest of
        them. No step lowers the log probability of the data and of each component's
        pseudo-observations together. A component that loses all rows is dropped.

        Args:
            x: What the family takes: uint8 (n, ...) or floating (n, ...).
            family: The class of the components, `IndependentPixels` or `Gaussian`.
            k: Components, from 1 to n.
            steps: Steps of EM, at least 1.
            pseudo: Pseudo-observations for each component, from zero up; they are
                spread as in one model of all rows.
            generator: Where the beginning comes from; without one, torch's own.

        Raises:
            TypeError: If an argument is of another type or dtype.
            ValueError: If x, k, steps or pseudo do not fit.

        Source: Dempster, Laird and Rubin, "Maximum Likelihood from Incomplete Data via
        the EM Algorithm", 1977, https://doi.org/10.1111/j.2517-6161.1977.tb01600.x.
        """
        if family not in (IndependentPixels, Gaussian):
            expected = "IndependentPixels or Gaussian"
            raise TypeError(f"family is {family!r}; expected {expected}")
        whole = family.fit(x, pseudo=pseudo)
        share = _nearest(x, _count("k", k, most=len(x)), _checked(generator))
        return cls._em(x, share, whole, _count("steps", steps), pseudo)

    @classmethod
    def _em(
        cls, x: Tensor, share: Tensor, whole: Any, steps: int, pseudo: float
    ) -> Self:
        """Maximize, then share out anew, so many times."""
        trace = []
        for _ in range(steps):
            mixture = cls._maximize(x, share, whole, pseudo)
            joint = mixture._joint(x)
            trace.append(joint.logsumexp(dim=1).mean().item())
            share = joint.softmax(dim=1)
        mixture.trace = trace
        return mixture

    @classmethod
    def _maximize(cls, x: Tensor, share: Tensor, whole: Any, pseudo: float) -> Self:
        """Fit each component to its share of the rows, (n, k)."""
        # Less than this share of a row is lost in rounding anyway, and most are.
        held = share > 1e-12
        share = torch.where(held, share, 0)[:, held.any(dim=0)]
        components = [
            whole._weighted(x[column > 0], column[column > 0], pseudo, whole)
            for column in share.T
        ]
        return cls(components, share.sum(dim=0) / share.sum())

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the log probability or log density of x: float64 nats, (n,)."""
        return self._joint(x).logsumexp(dim=1)

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Choose a component by lot for each of n observations, and let it draw."""
        n, generator = _count("n", n), _checked(generator)
        chosen = self.weights.multinomial(n, replacement=True, generator=generator)
        counts = chosen.bincount(minlength=len(self.components)).tolist()
        drawn = [
            component.sample(count, generator=generator)
            for component, count in zip(self._parts, counts, strict=True)
            if count
        ]
        # The draws lie sorted by component: back to the order of the lots.
        return torch.cat(drawn)[chosen.argsort(stable=True).argsort()]

    def _joint(self, x: Tensor) -> Tensor:
        """Return log w_c + log p_c(x), (n, K)."""
        whole, shape = (
            isinstance(self._parts[0], IndependentPixels),
            self._parts[0]._shape,
        )
        _observations(x, whole=whole, shape=shape)
        # In pieces that stay in fast memory, which takes half the time.
        pieces = [
            torch.stack([component.log_prob(rows) for component in self._parts], dim=1)
            for rows in torch.split(x, 1024)
        ]
        return torch.cat(pieces) + self.weights.log()

    @property
    def _parts(self) -> list[IndependentPixels | Gaussian]:
        return cast(list[IndependentPixels | Gaussian], list(self.components))


def _nearest(x: Tensor, k: int, generator: Generator | None) -> Tensor:
    """Return a one in the column of the nearest of k random rows of x, (n, k)."""
    rows = x.flatten(1).double()
    middles = rows[torch.randperm(len(rows), generator=generator)[:k]]
    closest = torch.cdist(rows, middles).argmin(dim=1)
    return nn.functional.one_hot(closest, k).double()


def _cholesky(covariance: Tensor) -> Tensor:
    """Return the lower triangle L with L L^T = covariance, or raise."""
    for bad, lack in (
        (not covariance.isfinite().all(), "finite"),
        (not torch.allclose(covariance, covariance.T), "symmetric"),
    ):
        if bad:
            raise ValueError(f"covariance {tuple(covariance.shape)} is not {lack}")
    factor: Tensor
    factor, failed = torch.linalg.cholesky_ex(covariance)
    # What is left of the variance of each number once those before it are known. Where
    # nothing should be, rounding leaves a crumb, of either sign.
    lost = factor.diagonal().square() <= 1e-9 * covariance.diagonal()
    if failed:
        lost[int(failed) - 1] = True
    if lost.any():
        raise ValueError(
            f"covariance {tuple(covariance.shape)} is not positive definite: number "
            f"{int(lost.int().argmax())} has no variance left once those before it are "
            "known. Fit more observations than numbers, or with pseudo above 0"
        )
    return factor


def _observations(x: Any, *, whole: bool, shape: Sequence[int] | None = None) -> None:
    """Check a batch of observations: gray levels, or real numbers."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"x is a {type(x).__name__}; expected a tensor, as torch.tensor(x) makes"
        )
    if whole and x.dtype != torch.uint8:
        raise TypeError(f"x has dtype {x.dtype}; expected gray levels, torch.uint8")
    if not whole and not x.is_floating_point():
        raise TypeError(
            f"x has dtype {x.dtype}; a density is over real numbers, so expected a "
            "floating dtype: pass whole gray levels through dequantize(x) first"
        )
    if x.ndim < 2 or not x.numel():
        raise ValueError(
            f"x has shape {tuple(x.shape)}; expected (n, ...), one observation or more"
        )
    if shape is not None and x.shape[1:] != torch.Size(shape):
        raise ValueError(
            f"x has shape {tuple(x.shape)}; expected (n, "
            f"{', '.join(map(str, shape))}), as the model was made for"
        )
    if not whole and (bad := int((~x.isfinite()).sum())):
        raise ValueError(f"x holds {bad} of {x.numel()} numbers that are not finite")


def _floating(name: str, value: Any) -> None:
    if not isinstance(value, Tensor) or not value.is_floating_point():
        seen = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} is {seen}; expected a floating tensor")
    if not value.isfinite().all():
        raise ValueError(f"{name} holds numbers that are not finite")


def _probabilities(name: str, value: Tensor) -> Tensor:
    """Return value with sums of one to the last digit of float64, or raise."""
    sums = value.double().sum(dim=-1, keepdim=True)
    if value.min() < 0 or (sums - 1).abs().max() > 1e-5:
        raise ValueError(
            f"{name} has a lowest number of {value.min():.3g} and sums from "
            f"{sums.min():.6g} to {sums.max():.6g}; expected nothing below 0, sums of 1"
        )
    return value / sums


def _pseudo(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, float | int):
        raise TypeError(f"pseudo is {value!r}; expected a number")
    if not 0 <= value < math.inf:
        raise ValueError(f"pseudo is {value}; expected a finite number from 0 up")
    return float(value)


def _count(name: str, value: Any, *, most: float = math.inf) -> int:
    """Return value as an int from 1 to `most`."""
    try:
        count = operator.index(value)
    except TypeError:
        raise TypeError(f"{name} is {value!r}; expected a whole number") from None
    if not 1 <= count <= most:
        limit = "1 or more" if most == math.inf else f"1 to {most}"
        raise ValueError(f"{name} is {value}; expected {limit}")
    return count


def _checked(generator: Generator | None) -> Generator | None:
    if not isinstance(generator, Generator | None):
        raise TypeError(
            f"generator is {generator!r}; expected a torch.Generator, such as "
            "torch.Generator().manual_seed(0)"
        )
    return generator
