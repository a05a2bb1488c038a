"""Conditional generation: p(y given x), p(x given y), and Bayes' rule between them."""

import math
from collections.abc import Sequence
from typing import Any, NoReturn, Self, cast

import torch
from torch import Generator, Tensor
from torch.nn.functional import one_hot

from gdlbook.generative.framework import Density, GenerativeModel, Undefined

__all__ = [
    "ClassGaussians",
    "Kinds",
    "LogisticRegression",
    "Principal",
    "loss_and_gradient",
]


class Principal:
    r"""A change of coordinates: the few directions in which observations differ most.

    $$z = V^\top (x - m) / s$$

    Here m is the mean of the observations, the columns of V are the eigenvectors of
    their covariance with the largest eigenvalues, and s the roots of these, so that
    each number of z has mean 0 and variance 1. No label is needed.

    Args:
        x: Observations to find the directions from, floating, (n, ...).
        size: How many directions.

    Raises:
        TypeError: If x is not a floating tensor, or size is not an integer.
        ValueError: If x is empty or not finite, or varies in fewer directions.

    Source: Bishop (2006), section 12.1.
    """

    def __init__(self, x: Tensor, size: int) -> None:
        rows = _floating("x", x).flatten(1)
        size = _count("size", size)
        self.shape = tuple(x.shape[1:])
        self.mean = rows.mean(0)
        centered = rows - self.mean
        # X X^T has the eigenvalues of X^T X other than zero: take the smaller table.
        few = len(rows) < rows.shape[1]
        table = centered @ centered.T if few else centered.T @ centered
        values, vectors = torch.linalg.eigh(table / len(rows))
        usable = int((values > values[-1] * len(values) * _eps(x)).sum())
        if size > usable:
            raise ValueError(f"size is {size}; x varies in {usable} directions only")
        self.scale = values[-size:].flip(0).sqrt()
        vectors = vectors[:, -size:].flip(1)
        if few:
            vectors = centered.T @ vectors / (self.scale * len(rows) ** 0.5)
        # An eigenvector is known up to its sign: let its largest number be positive.
        largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
        self.directions = vectors * largest.sign()

    def encode(self, x: Tensor) -> Tensor:
        """Turn observations (n, ...) into their coordinates, float64 (n, size)."""
        if _floating("x", x).shape[1:] != self.shape:
            expected = ", ".join(map(str, ("n", *self.shape)))
            raise ValueError(f"x has shape {tuple(x.shape)}; expected ({expected})")
        rows = x.flatten(1).to(self.mean)
        z: Tensor = (rows - self.mean) @ self.directions / self.scale
        return z.double()

    def decode(self, z: Tensor) -> Tensor:
        """Turn coordinates (n, size) into observations (n, ...)."""
        rows = _rows("z", z, len(self.scale)).to(self.mean)
        x: Tensor = self.mean + rows * self.scale @ self.directions.T
        return x.reshape(len(z), *self.shape)


class Kinds:
    """What both models can say of the kind of an observation."""

    class_names: tuple[str, ...] | None
    kinds: int

    def _scores(self, x: Tensor) -> Tensor:
        raise NotImplementedError

    def posterior(self, x: Tensor) -> Tensor:
        """Return p(y given x) of every kind for observations (n, d), (n, kinds)."""
        return self._scores(x).softmax(1)

    def accuracy(self, x: Tensor, y: Tensor) -> float:
        """Return the share of x (n, d) whose most probable kind is that of y (n,)."""
        scores = self._scores(x)
        _labels(y, len(x), self.kinds)
        return (scores.argmax(1) == y).double().mean().item()

    def _index(self, label: str | int) -> int:
        """Return the number of a kind, given by its name or its number."""
        if isinstance(label, str):
            if self.class_names is None:
                raise ValueError(f"label is {label!r}, and the kinds have no names")
            if label not in self.class_names:
                names = ", ".join(self.class_names)
                raise ValueError(f"there is no label {label!r}; there are {names}")
            return self.class_names.index(label)
        if isinstance(label, bool) or not isinstance(label, int):
            raise TypeError(f"label is {label!r}; expected a name or an integer")
        if not 0 <= label < self.kinds:
            raise ValueError(
                f"there is no label {label}; there are 0 to {self.kinds - 1}"
            )
        return label


def loss_and_gradient(
    weights: Tensor, x: Tensor, y: Tensor, *, penalty: float
) -> tuple[Tensor, Tensor]:
    r"""Return the loss of logistic regression, and its gradient in closed form.

    $$\ell = -\frac1n \sum_{i=1}^{n} \log \operatorname{softmax}(W x_i + b)_{y_i}
      + \frac{\lambda}{2n} \lVert W \rVert^2$$

    It is convex in W and b together. The bias b is not penalized.

    Args:
        weights: W and, as its last column, b: (kinds, d + 1), floating.
        x: Observations (n, d).
        y: Their kinds (n,), integers from 0.
        penalty: The factor $\lambda$, at least 0.

    Returns:
        The loss in nats, a scalar, and its derivatives, (kinds, d + 1).

    Raises:
        TypeError: If a tensor has another dtype, or penalty is not a number.
        ValueError: If a shape, a label or a value does not fit.

    Source: Bishop (2006), section 4.3.4.
    """
    _rows("weights", weights)
    _rows("x", x, weights.shape[1] - 1)
    _labels(y, len(x), len(weights))
    n, slopes, bias = len(x), weights[:, :-1], weights[:, -1]
    log_p = (x @ slopes.T + bias).log_softmax(1)
    loss = -log_p.gather(1, y[:, None]).mean()
    loss = loss + _number("penalty", penalty) / (2 * n) * slopes.square().sum()
    error = (log_p.exp() - one_hot(y, len(weights))) / n
    gradient = error.T @ x + penalty / n * slopes
    return loss, torch.cat([gradient, error.sum(0)[:, None]], dim=1)


class LogisticRegression(Kinds):
    r"""A discriminative model: p(y given x), and nothing about x.

    $$p(y \mid x) = \operatorname{softmax}(W x + b)_y$$

    Args:
        weights: W and, as its last column, b: (kinds, d + 1), floating.
        class_names: Name of each kind.

    Raises:
        TypeError: If weights is not a floating tensor.
        ValueError: If a shape or the number of names does not fit.
    """

    def __init__(
        self, weights: Tensor, *, class_names: Sequence[str] | None = None
    ) -> None:
        self.weights = _rows("weights", weights).double()
        self.kinds = len(weights)
        self.class_names = _names(class_names, self.kinds)

    @classmethod
    def fit(
        cls,
        x: Tensor,
        y: Tensor,
        *,
        class_names: Sequence[str] | None = None,
        penalty: float = 1.0,
    ) -> Self:
        """Find the one minimum of `loss_and_gradient`, by Newton's method.

        Args:
            x: Observations (n, d), best with d numbers of about the same scale.
            y: Their kinds (n,), int64 from 0; each kind occurs.
            class_names: Name of each kind.
            penalty: Weight of the squares of the weights, above 0: where a plane
                separates the kinds, the loss would have no minimum without it.

        Raises:
            TypeError: If a tensor has another dtype, or penalty is not a number.
            ValueError: If a shape, a label or a value does not fit.
            RuntimeError: If rounding or 100 steps do not let it be reached.

        Source: Bishop (2006), sections 4.3.3 and 4.3.4.
        """
        kinds = _labeled(x, y, class_names)
        if _number("penalty", penalty) == 0:
            raise ValueError(
                "penalty is 0; expected a number above 0: kinds that a plane separates "
                "would drive the weights to infinity"
            )
        x = x.double()
        weights = torch.zeros(kinds, x.shape[1] + 1, dtype=torch.float64)

        def value(weights: Tensor) -> Tensor:
            return loss_and_gradient(weights, x, y, penalty=penalty)[0]

        for _ in range(100):
            loss, gradient = loss_and_gradient(weights, x, y, penalty=penalty)
            step, size = _newton(weights, x, penalty, gradient), 1.0
            if not step.isfinite().all():
                break
            promised = (gradient * step).sum()  # twice what a parabola would fall by
            if promised < 1e-16:
                return cls(weights, class_names=class_names)
            # Far from the minimum a full step may overshoot; near it, none does.
            while promised > 1e-9 and (
                value(weights - size * step) > loss - size * promised / 1e4
            ):
                size /= 2
            weights = weights - size * step
        raise RuntimeError(
            f"penalty is {penalty:g}, and no minimum was found: the loss is flat to "
            "the last digit, or too steep; raise the penalty, or bring the numbers of "
            "x to one scale"
        )

    def _scores(self, x: Tensor) -> Tensor:
        slopes, bias = self.weights[:, :-1], self.weights[:, -1]
        return _rows("x", x, slopes.shape[1]).double() @ slopes.T + bias

    def sample(self, n: int, *, label: str | int | None = None) -> NoReturn:
        """Raise `Undefined`: there is nothing to draw an observation from."""
        raise Undefined(
            "LogisticRegression has no sample: it knows p(y given x), which kind an x "
            "is, and nothing of which x there are. Use ClassGaussians."
        )


class ClassGaussians(Kinds, GenerativeModel):
    r"""A generative model: one Gaussian for each kind, and how frequent the kinds are.

    $$p(x, y) = p(y) \, \mathcal{N}(x;\, \mu_y, \Sigma_y)$$

    Args:
        means: Of each kind, (kinds, d), floating.
        covariances: Of each kind, (kinds, d, d), or one that all of them share,
            (1, d, d); symmetric and positive definite.
        priors: How frequent each kind is, (kinds,), above 0, their sum 1.
        class_names: Name of each kind.

    Raises:
        TypeError: If an argument is not a floating tensor.
        ValueError: If shapes do not fit, a number is not finite, a covariance is not
            symmetric and positive definite, or priors are no probabilities.
    """

    density = Density.EXACT
    means: Tensor
    covariances: Tensor
    priors: Tensor
    roots: Tensor

    def __init__(
        self,
        means: Tensor,
        covariances: Tensor,
        priors: Tensor,
        *,
        class_names: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        self.kinds, d = _rows("means", means).shape
        self.class_names = _names(class_names, self.kinds)
        if _floating("covariances", covariances).shape not in (
            (1, d, d),
            (self.kinds, d, d),
        ):
            raise ValueError(
                f"covariances has shape {tuple(covariances.shape)}; expected "
                f"({self.kinds}, {d}, {d}), or (1, {d}, {d}) for all kinds"
            )
        _floating("priors", priors)
        if (
            priors.shape != (self.kinds,)
            or priors.min() <= 0
            or abs(priors.sum() - 1) > 1e-6
        ):
            raise ValueError(
                f"priors is {priors.tolist()}; expected {self.kinds} numbers above 0 "
                "with sum 1"
            )
        self.register_buffer("means", means.double())
        self.register_buffer("covariances", covariances.double())
        self.register_buffer("priors", priors.double())
        self.register_buffer("roots", self._factor())

    @classmethod
    def example(cls) -> Self:
        """Return two Gaussians, fitted to twenty random points on the plane."""
        x = torch.randn(20, 2, generator=Generator().manual_seed(0))
        return cls.fit(x, torch.arange(20) % 2)

    @classmethod
    def fit(
        cls,
        x: Tensor,
        y: Tensor,
        *,
        class_names: Sequence[str] | None = None,
        shared: bool = False,
        diagonal: bool = False,
        strength: float = 0.0,
        unlabeled: Tensor | None = None,
        weight: float = 1.0,
        steps: int = 200,
    ) -> Self:
        r"""Fit by maximum likelihood: in closed form, or by EM with unlabeled rows.

        $$\Sigma_y = \frac{S_y + \kappa I}{n_y + \kappa}$$

        Here $n_y$ counts the observations of kind y, and $S_y$ sums the outer products
        of their distances from the mean of the kind. An observation without a label
        counts in each kind by its share: EM (expectation, maximization) takes as
        shares p(y given x) of the model at hand, times `weight`, fits again, and so
        on, until they stand still. No step lowers the likelihood of labeled and
        unlabeled observations together, times the prior that `strength` stands for.

        Args:
            x: Observations with a label, (n, d).
            y: Their kinds (n,), int64 from 0; each kind occurs.
            class_names: Name of each kind.
            shared: Whether all kinds have one covariance.
            diagonal: Whether the d numbers are independent given the kind ("naive
                Bayes").
            strength: How many pseudo-observations, $\kappa$, pull each covariance
                toward the unit matrix; for x on the scale of `Principal.encode`.
            unlabeled: Observations without a label, (m, d).
            weight: For how much of an observation each of them counts.
            steps: Of EM, at most.

        Raises:
            TypeError: If an argument has another type or dtype.
            ValueError: If a shape, a label or a value does not fit, or a covariance is
                not positive definite.

        Source: Nigam, McCallum, Thrun and Mitchell (2000),
        https://doi.org/10.1023/A:1007692713085.
        """
        kinds = _labeled(x, y, class_names)
        how = (shared, diagonal, _number("strength", strength))
        known, x = one_hot(y, kinds).double(), x.double()
        model = cls(*_moments(x, known, *how), class_names=class_names)
        if unlabeled is None:
            return model
        rows = torch.cat([x, _rows("unlabeled", unlabeled, x.shape[1]).double()])
        weight, old = _number("weight", weight), torch.tensor(math.inf)
        for _ in range(_count("steps", steps)):
            shares = model.posterior(rows[len(x) :])
            if (shares - old).abs().mean() < 1e-5:
                break
            both = torch.cat([known, weight * shares])
            model = cls(*_moments(rows, both, *how), class_names=class_names)
            old = shares
        return model

    def log_joint(self, x: Tensor) -> Tensor:
        """Return log p(x, y) of every kind for x (n, d): float64 nats, (n, kinds)."""
        x, d = _rows("x", x, self.means.shape[1]).double(), self.means.shape[1]
        groups = self.means[None] if len(self.roots) == 1 else self.means[:, None]
        parts = []
        for root, means in zip(self.roots, groups, strict=True):
            # In coordinates L^-1 x the Gaussian is round, and distance is all.
            here, there = (
                torch.linalg.solve_triangular(root, v.T, upper=False).T
                for v in (x, means)
            )
            distance = torch.cdist(
                here, there, compute_mode="donot_use_mm_for_euclid_dist"
            )
            parts.append(-0.5 * distance.square() - root.diagonal().log().sum())
        normal = torch.cat(parts, dim=1) - d / 2 * math.log(2 * math.pi)
        return normal + self.priors.log()

    def log_prob(self, x: Tensor, *, label: str | int | None = None) -> Tensor:
        """Return the log density of x: summed over all kinds, or given one.

        Args:
            x: Observations (n, d), floating.
            label: A kind, by name or number, for log p(x given y); else log p(x).

        Returns:
            float64 nats, (n,).

        Raises:
            TypeError: If x is not a floating tensor, or label no name or integer.
            ValueError: If x has another shape, or there is no such label.
        """
        if label is None:
            return self.log_joint(x).logsumexp(1)
        kind = self._index(label)
        return self.log_joint(x)[:, kind] - self.priors[kind].log()

    def sample(
        self,
        n: int,
        *,
        label: str | int | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """Draw from p(x), or from p(x given y) for one kind.

        Args:
            n: How many.
            label: The kind, by name or number; without it each draw has its own, as
                frequent as the priors say.
            generator: Where the randomness comes from; without one, torch's own.

        Returns:
            float32 (n, d).

        Raises:
            TypeError: If n is not an integer, label no name or integer, or generator
                no `torch.Generator`.
            ValueError: If n is below 1, or there is no such label.
        """
        n, d = _count("n", n), self.means.shape[1]
        _check_generator(generator)
        if label is None:
            y = self.priors.multinomial(n, replacement=True, generator=generator)
        else:
            y = torch.full((n,), self._index(label))
        z = torch.randn(n, d, generator=generator, dtype=torch.float64)
        x = self.means[y]
        roots = self.roots.expand(self.kinds, d, d)
        for kind in set(y.tolist()):
            x[y == kind] += z[y == kind] @ roots[kind].T
        return x.float()

    def as_logistic(self) -> LogisticRegression:
        r"""Return the logistic regression that gives the same p(y given x).

        $$w_y = \Sigma^{-1} \mu_y$$

        The bias is log p(y), less half the product of the weights with the mean.

        Raises:
            ValueError: If the kinds do not share one covariance: then the logits are
                quadratic in x.

        Source: Bishop (2006), section 4.2.1.
        """
        if len(self.covariances) != 1:
            raise ValueError(
                f"there are {len(self.covariances)} covariances, so the logits are "
                "quadratic in x; fit with shared=True"
            )
        slopes = torch.cholesky_solve(self.means.T, self.roots[0]).T
        bias = self.priors.log() - 0.5 * (slopes * self.means).sum(1)
        weights = torch.cat([slopes, bias[:, None]], dim=1)
        return LogisticRegression(weights, class_names=self.class_names)

    def _scores(self, x: Tensor) -> Tensor:
        return self.log_joint(x)

    def _factor(self) -> Tensor:
        """Return the lower triangular L with L L^T = covariance, if there is one."""
        lower, failed = torch.linalg.cholesky_ex(self.covariances)
        for i, (matrix, root) in enumerate(zip(self.covariances, lower, strict=True)):
            whose = "that all kinds share"
            if len(lower) == self.kinds:
                kind = self.class_names[i] if self.class_names else i
                whose = f"of kind {kind!r}"
            if not torch.allclose(matrix, matrix.T, rtol=1e-9, atol=1e-12):
                raise ValueError(f"the covariance {whose} is not symmetric")
            # A pivot that is zero but for rounding counts as zero.
            least = 10 * len(matrix) * _eps(matrix) * matrix.diagonal().max()
            if failed[i] or not (root.diagonal().square() > least).all():
                raise ValueError(
                    f"the covariance {whose} is not positive definite: with no spread "
                    "in some direction there is no density. Fit more observations, or "
                    "give fit a strength above 0"
                )
        return cast(Tensor, lower)


def _moments(
    x: Tensor, shares: Tensor, shared: bool, diagonal: bool, kappa: float
) -> tuple[Tensor, Tensor, Tensor]:
    """Means, covariances and priors of x (n, d), divided by shares (n, kinds)."""
    center = x.mean(0)
    x = x - center  # so that nothing large cancels below
    counts = shares.sum(0)
    means = shares.T @ x / counts[:, None]
    between = torch.einsum("k,ki,kj->kij", counts, means, means)
    groups = shares
    if shared:
        groups, between = shares.sum(1, keepdim=True), between.sum(0, keepdim=True)
    squares = torch.stack([(x * group[:, None]).T @ x for group in groups.T])
    within = squares - between
    if diagonal:
        within = torch.diag_embed(within.diagonal(dim1=1, dim2=2))
    prior = kappa * torch.eye(x.shape[1]).double()
    covariances = (within + prior) / (groups.sum(0)[:, None, None] + kappa)
    symmetric = (covariances + covariances.mT) / 2
    return means + center, symmetric, counts / counts.sum()


def _newton(w: Tensor, x: Tensor, penalty: float, gradient: Tensor) -> Tensor:
    """Solve curvature @ step = gradient, the step to the lowest point of a parabola."""
    kinds, d = len(w), x.shape[1]
    x = torch.cat([x, torch.ones(len(x), 1).to(x)], dim=1)
    p = (x @ w.T).softmax(1)
    q = (p[:, :, None] * x[:, None]).flatten(1)
    curvature = (-q.T @ q / len(x)).reshape(kinds, d + 1, kinds, d + 1)
    each = range(kinds)
    curvature[each, :, each] += (q.T @ x / len(x)).reshape(kinds, d + 1, d + 1)
    curvature[each, :d, each, :d] += penalty / len(x) * torch.eye(d).to(x)
    # One number added to all biases changes nothing: any curvature there will do.
    curvature[:, d, :, d] += 1
    flat = curvature.reshape(w.numel(), w.numel())
    step, _ = torch.linalg.solve_ex(flat, gradient.flatten())
    return cast(Tensor, step.reshape(w.shape))


def _eps(x: Tensor) -> float:
    return torch.finfo(x.dtype).eps


def _count(name: str, value: Any) -> int:
    """Return an integer of at least 1."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} is {value!r}; expected an integer")
    if value < 1:
        raise ValueError(f"{name} is {value}; expected at least 1")
    return value


def _number(name: str, value: Any) -> float:
    """Return a finite number from zero up."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} is {value!r}; expected a number")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} is {value}; expected a finite number from 0 up")
    return float(value)


def _check_generator(generator: object) -> None:
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(f"generator is {generator!r}; expected a torch.Generator")


def _floating(name: str, x: object) -> Tensor:
    """Return a floating tensor of one finite observation or more."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} is a {type(x).__name__}; expected a tensor")
    if not x.is_floating_point():
        raise TypeError(f"{name} holds {x.dtype}; expected floats")
    if not x.ndim or not x.numel():
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected one row or more")
    if not x.isfinite().all():
        row = int((~x.isfinite()).nonzero()[0, 0])
        raise ValueError(f"{name} holds a number that is not finite, in row {row}")
    return x


def _rows(name: str, x: object, d: int | None = None) -> Tensor:
    """Return a finite floating tensor (n, d)."""
    x = _floating(name, x)
    if x.ndim != 2 or d not in (None, x.shape[1]):
        expected = f"(n, {'d' if d is None else d})"
        raise ValueError(f"{name} has shape {tuple(x.shape)}; expected {expected}")
    return x


def _labels(y: Any, n: int, kinds: int | None) -> None:
    """Check labels of n observations."""
    if not isinstance(y, Tensor) or y.dtype != torch.int64:
        seen = y.dtype if isinstance(y, Tensor) else type(y).__name__
        raise TypeError(f"y is {seen}; expected a tensor of int64")
    if y.shape != (n,):
        raise ValueError(
            f"y has shape {tuple(y.shape)}; expected ({n},), one label a row"
        )
    if y.min() < 0 or (kinds is not None and y.max() >= kinds):
        wrong = int(y.min()) if y.min() < 0 else int(y.max())
        upper = "up" if kinds is None else f"to {kinds - 1}"
        raise ValueError(f"y holds the label {wrong}; expected labels from 0 {upper}")


def _labeled(x: Tensor, y: Tensor, class_names: Sequence[str] | None) -> int:
    """Check observations with labels; return how many kinds there are."""
    kinds = None if class_names is None else len(class_names)
    _labels(y, len(_rows("x", x)), kinds)
    counts = y.bincount(minlength=kinds or 0)
    if (counts == 0).any():
        kind = int((counts == 0).nonzero()[0])
        name = repr(class_names[kind]) if class_names else kind
        raise ValueError(f"no observation has the label {name}; expected one or more")
    return len(counts)


def _names(class_names: Sequence[str] | None, kinds: int) -> tuple[str, ...] | None:
    """Check that there is one name for each kind."""
    if class_names is None:
        return None
    if len(set(class_names)) != kinds or len(class_names) != kinds:
        raise ValueError(
            f"class_names is {tuple(class_names)}; expected {kinds} different names"
        )
    return tuple(class_names)
