"""Latent space: many numbers encoded as a few, and decoded back into many."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Self

import torch
from torch import Generator, Tensor, nn

from gdlbook._model import checks
from gdlbook.generative.framework import Density, GenerativeModel
from gdlbook.networks.mlp import MLP

__all__ = ["Autoencoder", "PrincipalComponents", "attribute", "walk"]


class PrincipalComponents(GenerativeModel):
    r"""A mean, r directions in which to leave it, and even noise around them.

    $$x = \mu + \sum_{i=1}^{r} z_i \, w_i + \sigma \varepsilon, \qquad
      z \sim N(0, I), \quad \varepsilon \sim N(0, I)$$

    This is probabilistic principal component analysis. The sample space is all real
    numbers: `log_prob` is the log of a density, per unit of x.

    Args:
        mean: $\mu$, of the shape (...) of an observation with $d$ numbers.
        directions: $w_1, \dots, w_r$, (r, ...): linearly independent, and r below d.
        noise: The variance $\sigma^2$, above zero.

    Raises:
        TypeError: If mean or directions is not a floating tensor, or noise no number.
        ValueError: If shapes do not fit, a number is not finite, the directions are
            not independent, or the noise is not above zero.

    Source: Tipping and Bishop, "Probabilistic Principal Component Analysis", 1999,
    https://doi.org/10.1111/1467-9868.00196.
    """

    density = Density.EXACT
    mean: Tensor
    directions: Tensor
    noise: Tensor

    def __init__(self, mean: Tensor, directions: Tensor, noise: float) -> None:
        super().__init__()
        shape = tuple(_floats("mean", mean).shape)
        r, d = len(_floats("directions", directions, shape)), mean.numel()
        if not r < d or torch.linalg.matrix_rank(directions.flatten(1).double()) < r:
            raise ValueError(
                f"directions has shape {tuple(directions.shape)}; expected fewer than "
                f"the {d} numbers of an observation, none a sum of multiples of others"
            )
        variance = torch.tensor(checks.positive("noise", noise), dtype=torch.float64)
        self.latent_size = r
        self.register_buffer("mean", mean.double())
        self.register_buffer("directions", directions.double())
        self.register_buffer("noise", variance)

    @classmethod
    def example(cls) -> Self:
        """Return the first of two components of twenty random points on the plane."""
        points = torch.randn(20, 2, generator=Generator().manual_seed(0))
        return cls.fit(points, 1)

    @classmethod
    def fit(cls, x: Tensor, latent: int) -> Self:
        r"""Find the directions in which x varies most: the maximum of the likelihood.

        The singular value decomposition of the centered x gives unit vectors $u_i$,
        and the variance $\lambda_i$ of x along each, in falling order. Then

        $$\sigma^2 = \frac{1}{d - r} \sum_{i=r+1}^{d} \lambda_i, \qquad
          w_i = \sqrt{\lambda_i - \sigma^2} \; u_i.$$

        The sign of each $u_i$ is chosen so that its largest number is positive.

        Args:
            x: Observations, floating, (n, ...).
            latent: The number $r$ of directions, at least 1; x must vary in more.

        Raises:
            TypeError: If x is not a floating tensor, or latent no whole number.
            ValueError: If x is empty or not finite, if latent does not fit, or if x
                varies evenly in all directions that are left.

        Source: Bishop, "Pattern Recognition and Machine Learning", 2006, equations
        12.45 and 12.46.
        """
        mean = _floats("x", x, least=2).double().mean(dim=0)
        centered = (x - mean).flatten(1)
        _, s, units = torch.linalg.svd(centered, full_matrices=False)
        variances = s.square() / len(x)
        r, d = _fitting(latent, variances, x), mean.numel()
        noise = variances[r:].sum().item() / (d - r)
        w = (variances[:r, None] - noise).sqrt() * _signed(units[:r])
        return cls(mean, w.reshape(r, *mean.shape), noise)

    def encode(self, x: Tensor) -> Tensor:
        """Return the z whose decoded observation lies nearest to x, (n, r)."""
        centered = (_floats("x", x, self.mean.shape) - self.mean).flatten(1)
        z: Tensor = centered @ torch.linalg.pinv(self.directions.flatten(1))
        return z.to(x.dtype)

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean plus z times the directions, without noise: (n, ...)."""
        _floats("z", z, self.directions.shape[:1])
        x: Tensor = self.mean + torch.tensordot(z.double(), self.directions, 1)
        return x.to(z.dtype)

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Decode standard normal z and add the noise: float32 (n, ...)."""
        sizes = len(self.directions), self.mean.numel()
        z, noise = (
            torch.randn(
                checks.whole("n", n), size, generator=generator, dtype=torch.float64
            )
            for size in sizes
        )
        x = self.decode(z) + self.noise.sqrt() * noise.reshape(n, *self.mean.shape)
        return x.float()

    def log_prob(self, x: Tensor) -> Tensor:
        r"""Return the log density of x, floating (n, ...): float64 nats, (n,).

        It is that of a Gaussian with covariance $W W^\top + \sigma^2 I$, where the
        columns of $W$ are the directions; all is solved with r by r matrices.
        """
        centered = (_floats("x", x, self.mean.shape) - self.mean).flatten(1)
        w = self.directions.flatten(1)
        small = w @ w.T + self.noise * torch.eye(len(w), dtype=torch.float64)
        factor = torch.linalg.cholesky(small)
        inside = torch.linalg.solve_triangular(factor, w @ centered.T, upper=False)
        square = (centered.square().sum(1) - inside.square().sum(0)) / self.noise
        r, d = w.shape
        volume = 2 * factor.diagonal().log().sum() + (d - r) * self.noise.log()
        log_p: Tensor = -0.5 * (square + volume + d * math.log(2 * math.pi))
        return log_p


class Autoencoder(nn.Module):
    r"""Two networks: one encodes x as a few numbers, the other decodes them.

    $$\operatorname{loss} = \frac{1}{n} \sum_{m=1}^{n}
      \lVert x_m - \operatorname{decode}(\operatorname{encode}(x_m)) \rVert^2$$

    It is no `GenerativeModel`: nothing in it says which z to decode, so it has no
    distribution to sample from.

    Args:
        shape: That of one observation, as (1, 28, 28).
        latent: Numbers in a latent vector, at least 1.
        hidden: Units of each hidden layer of the encoder; the decoder has them in
            reverse. With none, both networks are linear.
        seed: Of the first weights.

    Raises:
        TypeError: If a size is not a whole number.
        ValueError: If a size is below 1, or shape has none.

    Source: Hinton and Salakhutdinov, "Reducing the Dimensionality of Data with Neural
    Networks", 2006, https://doi.org/10.1126/science.1127647.
    """

    def __init__(
        self,
        shape: Sequence[int],
        latent: int,
        hidden: Sequence[int] = (256, 64),
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if not len(shape):
            raise ValueError("shape is empty; expected that of an observation")
        self.shape = tuple(checks.whole("a size of shape", size) for size in shape)
        self.latent = checks.whole("latent", latent)
        units = [checks.whole("a size of hidden", size) for size in hidden]
        self.encoder = MLP(self.shape, units, self.latent, seed=seed)
        pixels = math.prod(self.shape)
        self.decoder = MLP((self.latent,), units[::-1], pixels, seed=seed + 1)

    def encode(self, x: Tensor) -> Tensor:
        """Return the latent vectors of x, floating (n, *shape): (n, latent)."""
        z: Tensor = self.encoder(_floats("x", x, self.shape))
        return z

    def decode(self, z: Tensor) -> Tensor:
        """Return the observations of z, floating (n, latent): (n, *shape)."""
        x: Tensor = self.decoder(_floats("z", z, (self.latent,)))
        return x.reshape(-1, *self.shape)

    def objectives(self) -> dict[str, tuple[Callable[..., Tensor], list[Tensor]]]:
        """Return the squared error of an observation, a mean over a batch."""

        def loss(x: Tensor) -> Tensor:
            rebuilt = self.decoder(self.encoder(x))
            error: Tensor = rebuilt - x.flatten(1)
            return error.square().sum(dim=1).mean()

        return {"squared_error": (loss, list(self.parameters()))}


def walk(start: Tensor, end: Tensor, steps: int) -> Tensor:
    r"""Return points at equal steps on the straight line between two.

    $$\Bigl(1 - \frac{t}{T}\Bigr) a + \frac{t}{T} \, b, \qquad t = 0, \dots, T$$

    Args:
        start: $a$, floating, (...): a picture, or a latent vector.
        end: $b$, of the same shape.
        steps: How many points, start and end included, at least 2: $T + 1$.

    Returns:
        (steps, ...).

    Raises:
        TypeError: If a point is not a floating tensor, or steps no whole number.
        ValueError: If the shapes differ, steps is below 2, or a number is not finite.
    """
    _check_ends(start, end)
    t = torch.linspace(0, 1, checks.whole("steps", steps, least=2), dtype=start.dtype)
    return torch.lerp(start, end, t.reshape(-1, *[1] * start.ndim))


def attribute(z: Tensor, has: Tensor) -> Tensor:
    r"""Return the vector from the mean of the rows without to that of the rows with.

    $$v = \frac{1}{n_1} \sum_{m:\,\text{has}} z_m
      - \frac{1}{n_0} \sum_{m:\,\text{has not}} z_m$$

    Args:
        z: Latent vectors or pictures, floating, (n, ...).
        has: Which of them have the attribute, bool, (n,).

    Raises:
        TypeError: If z is not a floating tensor, or has is not a tensor of bool.
        ValueError: If z is not finite, has is of another length, or one side is empty.

    Source: Larsen and others, "Autoencoding beyond pixels using a learned similarity
    metric", 2016, https://arxiv.org/abs/1512.09300.
    """
    _check_groups(z, has)
    return z[has].mean(dim=0) - z[~has].mean(dim=0)


def _check_ends(start: Tensor, end: Tensor) -> None:
    if _floats("start", start).shape != _floats("end", end).shape:
        raise ValueError(
            f"start has shape {tuple(start.shape)} and end {tuple(end.shape)}; "
            "expected one shape for both"
        )
    if start.dtype != end.dtype:
        raise TypeError(f"start is {start.dtype} and end {end.dtype}; expected one")


def _check_groups(z: Tensor, has: Any) -> None:
    _floats("z", z)
    if not isinstance(has, Tensor) or has.dtype != torch.bool:
        seen = has.dtype if isinstance(has, Tensor) else type(has).__name__
        raise TypeError(f"has is {seen}; expected a tensor of bool")
    if has.shape != z.shape[:1] or has.all() or not has.any():
        raise ValueError(
            f"has has shape {tuple(has.shape)} and {int(has.sum())} True for z of "
            f"shape {tuple(z.shape)}; expected one for each row, some True, some False"
        )


def _fitting(latent: Any, variances: Tensor, x: Tensor) -> int:
    """Return latent if that many directions leave some variance, and less, to noise."""
    r, d = checks.whole("latent", latent), x[0].numel()
    rounding = (max(len(x), d) * torch.finfo(x.dtype).eps) ** 2
    if r >= (rank := int((variances > variances[0] * rounding).sum())):
        raise ValueError(
            f"latent is {r}; expected fewer than the {rank} directions in which x of "
            f"shape {tuple(x.shape)} varies, so that some of it is left as noise"
        )
    if variances[r - 1] <= variances[r:].sum() / (d - r) * (1 + 1e-9):
        raise ValueError(
            f"x varies in direction {r} no more than in all later ones; expected more, "
            "or another latent"
        )
    return r


def _signed(units: Tensor) -> Tensor:
    """Turn each row around whose largest number is negative."""
    largest = units.abs().argmax(dim=1, keepdim=True)
    return units * units.gather(1, largest).sign()


def _floats(
    name: str, value: Any, shape: Sequence[int] | None = None, least: int = 1
) -> Tensor:
    """Return value if it is floating, finite, and has `least` rows of that shape."""
    if not isinstance(value, Tensor) or not value.is_floating_point():
        seen = value.dtype if isinstance(value, Tensor) else type(value).__name__
        raise TypeError(f"{name} is {seen}; expected a floating tensor, as float32")
    got = tuple(value.shape)
    fits = value.ndim > 0 if shape is None else got[1:] == tuple(shape)
    if not fits or len(value) < least or not value.numel():
        rows = ", ".join(map(str, ["n", *(["..."] if shape is None else shape)]))
        raise ValueError(
            f"{name} has shape {got}; expected ({rows}), n from {least} up"
        )
    if bad := int((~value.isfinite()).sum()):
        raise ValueError(
            f"{name} holds {bad} of {value.numel()} numbers that are NaN or infinite; "
            "expected finite ones"
        )
    return value
