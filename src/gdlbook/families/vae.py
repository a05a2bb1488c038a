"""Variational autoencoders: a hidden cause, an encoder that guesses it, a bound."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import logsigmoid, softplus

from gdlbook._model import checks
from gdlbook._model.example import fitted
from gdlbook.generative.framework import Density, GenerativeModel, Objectives
from gdlbook.networks.mlp import MLP, glorot, random_numbers

__all__ = [
    "VAE",
    "Bernoulli",
    "Gaussian",
    "Levels",
    "Prior",
    "draw",
    "kl_to_standard_normal",
    "log_normal",
]


def log_normal(x: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the log density of each number of x under a normal of its own, in nats."""
    error = (x - mean) * (-log_std).exp()
    return -0.5 * (error.square() + math.log(2 * math.pi)) - log_std


def kl_to_standard_normal(mean: Tensor, log_std: Tensor) -> Tensor:
    """Return the divergence from each normal to the standard normal, in nats.

    `KL(N(mean, std^2), N(0, 1)) = (mean^2 + std^2 - 1) / 2 - log std`

    Args:
        mean: Of any shape.
        log_std: Of the same shape.

    Returns:
        A tensor of that shape; its sum over independent numbers is the divergence of
            all of them.

    Source: Kingma and Welling (2013), appendix B, https://arxiv.org/abs/1312.6114
    """
    return 0.5 * (mean.square() + (2 * log_std).exp() - 1) - log_std


def draw(mean: Tensor, log_std: Tensor) -> Tensor:
    """Return `z = mean + std * noise`, with standard normal noise.

    What is random does not depend on the parameters, so gradients with respect to them
    pass through the draw.

    Source: Kingma and Welling (2013), https://arxiv.org/abs/1312.6114
    """
    return mean + log_std.exp() * torch.randn_like(mean)


class Prior(nn.Module):
    """Where z comes from: the standard normal, or mixtures of normals that learn.

    `p(z | y) = sum over k of w_yk * product over i of N(z_i; m_yki, s_yki^2)`

    Args:
        latent: Numbers in z.
        components: How many k there are, of each kind.
        kinds: How many mixtures. One component of one kind is the standard normal and
            does not learn.
    """

    def __init__(self, latent: int, components: int, kinds: int = 1) -> None:
        super().__init__()
        self.learns = kinds * components > 1
        means, log_stds = torch.zeros(2, kinds, components, latent)
        if self.learns:
            means, log_stds = torch.randn(means.shape), log_stds - 0.5
        self.logits = nn.Parameter(torch.zeros(kinds, components), self.learns)
        self.means = nn.Parameter(means, self.learns)
        self.log_stds = nn.Parameter(log_stds, self.learns)

    def log_prob(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the log density of z (n, latent) given kinds y, (n,), in nats.

        Without y it is that of all kinds together, equally weighted.
        """
        m, log_s = self.means.flatten(0, 1), self.log_stds.flatten(0, 1)
        # (z - m)^2 / s^2 multiplied out: matrix products are far faster here
        precision = (-2 * log_s).exp()
        square = z.square() @ precision.T - 2 * z @ (m * precision).T
        constant = (m.square() * precision + 2 * log_s + math.log(2 * math.pi)).sum(1)
        each = (-0.5 * (square + constant)).view(len(z), *self.logits.shape)
        of_kinds = (each + self.logits.log_softmax(dim=1)).logsumexp(dim=2)
        if y is None:
            return of_kinds.logsumexp(dim=1) - math.log(len(self.logits))
        return of_kinds.gather(1, y[:, None])[:, 0]

    def sample(self, y: Tensor, generator: Generator | None) -> Tensor:
        """Draw a z for each of the kinds y (n,): a component, then a point of it."""
        weights = self.logits.softmax(dim=1)[y]
        k = torch.multinomial(weights, 1, generator=generator)[:, 0]
        noise = torch.randn(len(y), self.means.shape[2], generator=generator)
        return self.means[y, k] + self.log_stds[y, k].exp() * noise


class Gaussian(nn.Module):
    """Real numbers around a mean that z decides, as far as a std that is learned.

    `log p(x | z) = sum over j of log N(x_j; mean_j(z), std_j^2)`

    What the decoder says of each number, `given`, is (n, outputs, *shape).
    """

    outputs = 1  # numbers of the decoder for each number of x

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()
        self.log_std = nn.Parameter(torch.full(tuple(shape), -2.0))

    def check(self, x: Any, shape: Sequence[int]) -> Tensor:
        """Return x (n, *shape) if it holds finite numbers; else raise."""
        return checks.observations(x, shape)

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        """Return the log density of each number of x, (n, *shape), in nats."""
        return log_normal(x, given[:, 0], self.log_std)

    def mean(self, given: Tensor) -> Tensor:
        """Return the mean of each number, (n, *shape)."""
        return given[:, 0]

    def sample(self, given: Tensor, generator: Generator | None) -> Tensor:
        """Draw each number, (n, *shape)."""
        noise = torch.randn(given[:, 0].shape, generator=generator)
        return given[:, 0] + self.log_std.exp() * noise


class Bernoulli(nn.Module):
    """Pixels that are 0 or 1, each a coin whose chance z decides.

    `log p(x | z) = sum over j of x_j log m_j(z) + (1 - x_j) log(1 - m_j(z))`

    What the decoder says of each number, `given`, is (n, outputs, *shape).
    """

    outputs = 1  # the logit of m

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()

    def check(self, x: Any, shape: Sequence[int]) -> Tensor:
        """Return x (n, *shape) if it is black and white; else raise."""
        return checks.binary(x, shape)

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        """Return the log probability of each pixel of x, (n, *shape), in nats."""
        logits = given[:, 0]
        return x * logits - softplus(logits)

    def mean(self, given: Tensor) -> Tensor:
        """Return the probability of a 1 at each pixel, (n, *shape)."""
        return given[:, 0].sigmoid()

    def sample(self, given: Tensor, generator: Generator | None) -> Tensor:
        """Toss each coin, (n, *shape)."""
        chance = self.mean(given)
        return (torch.rand(chance.shape, generator=generator) < chance).float()


class Levels(nn.Module):
    """Pixels of 256 levels, k / 255: a logistic curve, cut into as many pieces.

    `P(x_j | z) = F((x_j + h - c_j) / s_j) - F((x_j - h - c_j) / s_j)`

    Here F is the sigmoid and h is 1 / 510; the first piece reaches down, and the last
    one up, to infinity. `given` is (n, 2, *shape). These are probabilities, not
    densities, so that they can be told in bits per dimension.

    Source: Salimans and others (2017), https://arxiv.org/abs/1701.05517
    """

    outputs = 2  # c and log s

    def __init__(self, shape: Sequence[int]) -> None:
        super().__init__()

    def check(self, x: Any, shape: Sequence[int]) -> Tensor:
        """Return x (n, *shape) if it holds levels k / 255; else raise."""
        checked = checks.observations(x, shape, low=0, high=1)
        if bad := int(((255 * x - (255 * x).round()).abs() > 1e-3).sum()):
            raise ValueError(
                f"x holds {bad} of {x.numel()} numbers that are no level k / 255; "
                "expected pictures of 8 bits, divided by 255"
            )
        return checked

    def log_prob(self, x: Tensor, given: Tensor) -> Tensor:
        """Return the log probability of each pixel, (n, ...), in nats.

        With a and b for the lower and the upper edge,
        `F(b) - F(a) = F(b) F(-a) (1 - exp(a - b))`, which keeps its digits where
        both are near 0 or both near 1.
        """
        mean, log_scale = self._bounded(given)
        inverse = (-log_scale).exp()
        lower, upper = ((x + h - mean) * inverse for h in (-1 / 510, 1 / 510))
        below = torch.where(x < 1 / 510, 0.0, logsigmoid(-lower))
        above = torch.where(x > 1 - 1 / 510, 0.0, logsigmoid(upper))
        ends = (x < 1 / 510) | (x > 1 - 1 / 510)
        inside = torch.log(-torch.expm1(-inverse / 255))
        log_p: Tensor = below + above + torch.where(ends, 0.0, inside)
        return log_p

    def mean(self, given: Tensor) -> Tensor:
        """Return the middle of each curve, brought into the range of a pixel."""
        return self._bounded(given)[0].clamp(0, 1)

    def sample(self, given: Tensor, generator: Generator | None) -> Tensor:
        """Draw from each curve, and take the nearest level, (n, *shape)."""
        mean, log_scale = self._bounded(given)
        u = torch.rand(mean.shape, generator=generator).clamp(1e-6, 1 - 1e-6)
        x: Tensor = mean + log_scale.exp() * torch.special.logit(u)
        return (255 * x).round().clamp(0, 255) / 255

    def _bounded(self, given: Tensor) -> tuple[Tensor, Tensor]:
        """Return c and log s, which starts at a tenth and stays above 1/3000."""
        mean, log_scale = given.unbind(1)
        return mean + 0.5, (log_scale - 2.3).clamp(-8.0, 3.0)


FILTERS = 16  # feature maps of the decoder of pictures
Label = str | int | Tensor | None
Likelihood = Bernoulli | Gaussian | Levels
LIKELIHOODS: dict[str, type[Likelihood]] = {
    "bernoulli": Bernoulli,
    "gaussian": Gaussian,
    "levels": Levels,
}
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "silu": nn.SiLU}


class VAE(GenerativeModel):
    """A hidden z, decoded into a distribution over x, and an encoder that guesses z.

    `P_model(x) = integral over z of p(z) p(x | z)`

    The encoder's guess `q(z | x)` is a normal distribution, with a mean and a
    standard deviation for each number of z. With `class_names` the prior depends on
    the label, `p(z | y)`, and nothing else does; all kinds are then equally
    probable, and a verb without a label means the mixture of them.

    Args:
        shape: That of one observation, as (2,). One of three numbers is a picture,
            (channels, height, width), of multiples of 4, and decoded by convolutions.
        latent: Numbers in z.
        likelihood: What `p(x | z)` is: "gaussian", "bernoulli" or "levels".
        components: Normals in the prior, for each kind. A single one is the standard
            normal; several learn their places and widths.
        hidden: Units of the hidden layers of the encoder; dense layers of the decoder
            have them in reverse.
        activation: What follows each hidden layer of encoder and decoder: "relu", or
            "silu", which is `x * sigmoid(x)` (https://arxiv.org/abs/1702.03118).
        class_names: Names of the kinds, for a model that draws by label.
        seed: Of the first weights.

    Raises:
        TypeError: A size is no whole number.
        ValueError: A size is below 1, there is no likelihood or no activation of
            that name, or a picture has sides that are no multiples of 4.

    Source: Kingma and Welling (2013), https://arxiv.org/abs/1312.6114; Rezende,
    Mohamed and Wierstra (2014), https://arxiv.org/abs/1401.4082
    """

    density = Density.BOUND

    def __init__(
        self,
        shape: Sequence[int],
        latent: int,
        *,
        likelihood: str = "gaussian",
        components: int = 1,
        hidden: Sequence[int] = (128, 128),
        activation: Literal["relu", "silu"] = "relu",
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        if likelihood not in LIKELIHOODS:
            raise ValueError(
                f"there is no likelihood {likelihood!r}; there are "
                f"{', '.join(LIKELIHOODS)}"
            )
        if activation not in ACTIVATIONS:
            raise ValueError(
                f"there is no activation {activation!r}; there are "
                f"{', '.join(ACTIVATIONS)}"
            )
        self.shape = checks.sizes("shape", shape)
        self.latent_size = checks.whole("latent", latent)
        self.class_names = tuple(class_names)
        units = checks.sizes("hidden", hidden)
        act = ACTIVATIONS[activation]
        self.encoder = MLP(self.shape, units, 2 * latent, activation=act, seed=seed)
        with random_numbers(seed + 1):
            self.prior = Prior(
                latent,
                checks.whole("components", components),
                max(1, len(self.class_names)),
            )
            self.likelihood = LIKELIHOODS[likelihood](self.shape)
            self.decoder = _decoder(
                latent, units[::-1], self.shape, self.likelihood.outputs, act
            )

    @classmethod
    def example(cls) -> Self:
        """Return a small model of points around a circle, fitted by forty steps."""
        x = torch.randn(512, 2, generator=Generator().manual_seed(0))
        x = 2 * x / x.norm(dim=1, keepdim=True) + 0.1 * x
        model = cls((2,), 2, hidden=(32,))
        with random_numbers(0):  # of the draws of the loss
            return fitted(model, model.negative_elbo, x)

    def objectives(self) -> Objectives:
        """Return the negative ELBO of a batch, in nats, and all parameters."""
        return {
            "negative_elbo": (
                self.negative_elbo,
                [p for p in self.parameters() if p.requires_grad],
            )
        }

    def negative_elbo(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Return the mean of minus `elbo` over a batch, in nats, from one z for each x.

        Args:
            x: Observations, (n, *shape).
            y: Their kinds (n,), for a model with class_names.

        Raises:
            TypeError, ValueError: As in `elbo`.
        """
        return -self.elbo(x, y, samples=1).mean()

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and log std of `q(z | x)`, (n, latent) each."""
        mean, log_std = self.encoder(x).chunk(2, dim=1)
        return mean, log_std.clamp(-8.0, 3.0)

    def reconstruction(self, x: Tensor, z: Tensor) -> Tensor:
        """Return `log p(x | z)` of x (n, ...) and z (n, latent), (n,), in nats."""
        return self.likelihood.log_prob(x, self._decoded(z)).flatten(1).sum(dim=1)

    def divergence(
        self, z: Tensor, mean: Tensor, log_std: Tensor, y: Tensor | None = None
    ) -> Tensor:
        """Return `KL(q(z | x), p(z))`, (n,), in nats.

        It is exact for a standard normal prior. For another it is estimated from z
        (n, latent), drawn from q: `log q(z | x) - log p(z)`.
        """
        if not self.prior.learns:
            return kl_to_standard_normal(mean, log_std).sum(dim=1)
        return log_normal(z, mean, log_std).sum(dim=1) - self.prior.log_prob(z, y)

    def elbo(self, x: Tensor, label: Label = None, *, samples: int = 8) -> Tensor:
        """Return the evidence lower bound of x, (n,), in nats.

        `E[log p(x | z)] - KL(q(z | x), p(z)) <= log p(x)`, z drawn from `q(z | x)`

        The expectation is a mean over draws from torch's own random state.

        Args:
            x: Observations, (n, *shape).
            label: Their kinds, in a model with `class_names`: a name, a number, or
                int64 (n,). Without it, the mixture of all kinds.
            samples: Draws of z for each x.

        Raises:
            TypeError: x is not floating, or label names no kind.
            ValueError: Shapes do not fit, x is outside of what the likelihood can
                draw, or there is no such kind.
        """
        x, y = self._checked(x, label, samples)
        mean, log_std = self.posterior(x)
        total = x.new_zeros(len(x))
        for _ in range(samples):
            z = draw(mean, log_std)
            total = total + self.reconstruction(x, z)
            total = total - self.divergence(z, mean, log_std, y)
        return total / samples

    def importance_weighted(
        self, x: Tensor, samples: int, label: Label = None, *, refine: int = 0
    ) -> Tensor:
        """Return the importance-weighted bound of x, (n,), in nats.

        `E[log mean over i of p(x | z_i) p(z_i) / q(z_i | x)] <= log p(x)`, with K
        draws z_i from `q(z | x)`

        With one sample it is the ELBO; it never falls as the samples grow.

        Args:
            x: As for `elbo`.
            samples: K, the draws inside the logarithm.
            label: As for `elbo`.
            refine: Steps of `refined` before the draws; with 0 the encoder's guess.

        Raises:
            TypeError: As `elbo`.
            ValueError: As `elbo`, or refine is negative.

        Source: Burda, Grosse and Salakhutdinov (2016),
        https://arxiv.org/abs/1509.00519
        """
        x, y = self._checked(x, label, samples)
        checks.whole("refine", refine, least=0)
        mean, log_std = self.refined(x, y, refine) if refine else self.posterior(x)
        total = x.new_full((len(x),), -math.inf)
        for _ in range(samples):
            z = draw(mean, log_std)
            log_joint = self.prior.log_prob(z, y) + self.reconstruction(x, z)
            log_q = log_normal(z, mean, log_std).sum(dim=1)
            total = torch.logaddexp(total, log_joint - log_q)
        return total - math.log(samples)

    def refined(self, x: Tensor, y: Tensor | None, steps: int) -> tuple[Tensor, Tensor]:
        """Return mean and log std of a guess for each x by itself, (n, latent) each.

        It begins as the encoder's, and goes up the ELBO by Adam; the parameters of the
        model stay as they are.

        Source: Cremer, Li and Duvenaud (2018), https://arxiv.org/abs/1801.03558
        """
        with torch.enable_grad():
            q = [part.detach().requires_grad_() for part in self.posterior(x)]
            adam = torch.optim.Adam(q)
            for step in range(steps):
                adam.param_groups[0]["lr"] = 0.05 * (1 - step / steps)
                z = draw(q[0], q[1])
                kl = self.divergence(z, q[0], q[1], y)
                bound = self.reconstruction(x, z) - kl
                q[0].grad, q[1].grad = torch.autograd.grad(-bound.sum(), q)
                adam.step()
        return q[0].detach(), q[1].detach()

    def encode(self, x: Tensor) -> Tensor:
        """Return the mean of `q(z | x)` for x (n, *shape), (n, latent)."""
        return self.posterior(self.likelihood.check(x, self.shape))[0]

    def decode(self, z: Tensor) -> Tensor:
        """Return the mean of `p(x | z)` for z (n, latent): (n, *shape); no draw."""
        checks.observations(z, (self.latent_size,), name="z")
        return self.likelihood.mean(self._decoded(z))

    @torch.no_grad()
    def sample(
        self, n: int, *, label: Label = None, generator: Generator | None = None
    ) -> Tensor:
        """Draw z from the prior, then x from `p(x | z)`: (n, *shape).

        Args:
            n: How many.
            label: The kind of all, or of each: a name, a number, or int64 (n,).
                Without it each draw has a kind of its own.
            generator: The source of randomness; without one, torch's own.
        """
        checks.whole("n", n), checks.source(generator)
        if label is not None:
            y = checks.kinds(label, n, self.class_names)
        else:
            y = torch.randint(len(self.prior.logits), (n,), generator=generator)
        z = self.prior.sample(y, generator)
        return self.likelihood.sample(self._decoded(z), generator)

    def _decoded(self, z: Tensor) -> Tensor:
        """Return what the decoder says of each number of x: (n, outputs, *shape)."""
        given: Tensor = self.decoder(z)
        return given.view(len(z), self.likelihood.outputs, *self.shape)

    def _checked(
        self, x: Tensor, label: Label, samples: int
    ) -> tuple[Tensor, Tensor | None]:
        """Return x, and the kinds that the label names, if there is one."""
        x = self.likelihood.check(x, self.shape)
        checks.whole("samples", samples)
        if label is None:
            return x, None
        return x, checks.kinds(label, len(x), self.class_names)


def _decoder(
    latent: int,
    units: Sequence[int],
    shape: Sequence[int],
    outputs: int,
    activation: Callable[[], nn.Module],
) -> nn.Module:
    """Return dense layers for a vector; for a picture, convolutions on top of them.

    The convolutions work at a quarter of the height and the width, where a filter
    reaches far and costs a sixteenth; the last one says all 16 pixels of each place.
    """
    if len(shape) != 3:
        dense = MLP((latent,), units, outputs * math.prod(shape), activation=activation)
        glorot(dense)  # anew, from the seed of the whole model
        return dense
    channels, height, width = shape
    if height % 4 or width % 4:
        raise ValueError(
            f"shape is {tuple(shape)}; expected a height and a width that are "
            "multiples of 4"
        )
    coarse = FILTERS, height // 4, width // 4
    decoder = nn.Sequential(
        MLP((latent,), units, math.prod(coarse), activation=activation),
        activation(),
        nn.Unflatten(1, coarse),
        nn.Conv2d(FILTERS, 2 * FILTERS, 3, padding=1),
        activation(),
        nn.Conv2d(2 * FILTERS, 16 * outputs * channels, 3, padding=1),
        nn.PixelShuffle(4),
    )
    glorot(decoder)
    return decoder
