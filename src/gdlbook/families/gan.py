"""Adversarial networks: a generator learns from a discriminator that it has to fool."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import Any, Literal, Self

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import one_hot, softplus

from gdlbook._model import checks
from gdlbook.generative.framework import Density, GenerativeModel, Objectives
from gdlbook.networks.mlp import glorot, random_numbers

__all__ = ["GAN"]

Label = str | int | Tensor
UNITS = (64, 64, 64)  # of the hidden layers of the networks for vectors
WAVES = (2.0, 4.0, 8.0)  # spreads of their frequencies, in radians per unit
EACH = 11  # directions of each spread
DENSE = 128  # features of a picture


class GAN(GenerativeModel):
    r"""A generative adversarial network: two networks, each trained against the other.

    The generator $G$ turns noise $z$, drawn from a standard normal, into an
    observation. The discriminator $D$ says how probable it is that an observation is
    real: $D(x) = \sigma(\ell(x))$, with $\sigma$ the sigmoid and $\ell$ its logit. The
    best one against a given generator has, where both densities exist,

    $$\ell^*(x) = \log \Pdata(x) - \log \Pmodel(x).$$

    Vectors are made and judged by dense layers; the discriminator reads sines and
    cosines of the numbers as well. Pictures are made and judged by convolutions. What
    is drawn without a label is of every kind equally often.

    Args:
        shape: That of one observation: (d,), or (channels, rows, columns) with rows
            and columns divisible by 4 and values from 0 to 1.
        latent_size: Numbers in $z$; 8 for vectors and 32 for pictures, if not given.
        width: Channels of the first convolution; vectors do not use it.
        loss: Which `generator_loss`.
        penalty: Weight of `gradient_penalty` in the discriminator's loss; 0 is none.
        class_names: The kinds, if the model is to draw by label; the losses then take
            the kinds (n,) beside the observations.
        seed: Of the initial weights.

    Raises:
        TypeError: An argument of another kind.
        ValueError: A shape that does not fit, an unknown loss, a number out of range.

    Source: Goodfellow and others, 2014, https://arxiv.org/abs/1406.2661. Convolutions:
    Radford, Metz and Chintala, 2015, https://arxiv.org/abs/1511.06434. Norms: Wu and
    He, 2018, https://arxiv.org/abs/1803.08494. Sines and cosines: Tancik and others,
    2020, https://arxiv.org/abs/2006.10739.
    """

    density = Density.IMPLICIT

    def __init__(
        self,
        shape: Sequence[int],
        *,
        latent_size: int | None = None,
        width: int = 16,
        loss: Literal["non-saturating", "saturating"] = "non-saturating",
        penalty: float = 0.3,
        class_names: Sequence[str] = (),
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape = _shape(shape)
        pictures = len(self.shape) == 3
        if latent_size is None:
            latent_size = 32 if pictures else 8
        if loss not in ("non-saturating", "saturating"):
            raise ValueError(
                f"loss is {loss!r}; expected 'non-saturating' or 'saturating'"
            )
        self.latent_size = checks.whole("latent_size", latent_size)
        self.loss, self.class_names = loss, tuple(class_names)
        self.penalty = 0.0 if penalty == 0 else checks.positive("penalty", penalty)
        kinds = len(self.class_names)
        inputs, width = self.latent_size + kinds, checks.whole("width", width)
        with random_numbers(checks.whole("seed", seed, least=0)):
            if pictures:
                self.generator = _picture_generator(inputs, self.shape, width)
                features = _picture_features(self.shape, width)
            else:
                self.generator = _dense(inputs, nn.ReLU())
                self.generator.append(nn.Linear(UNITS[-1], self.shape[0]))
                features = _vector_features(self.shape[0])
            self.discriminator = _Discriminator(features, self.shape, kinds)
            glorot(self)

    def decode(self, z: Tensor, label: Label | None = None) -> Tensor:
        """Return the observations (n, *shape) that the generator makes of z.

        Args:
            z: Latent vectors, (n, latent_size).
            label: A name, a number, or the kinds (n,); needed if there are kinds.

        Raises:
            TypeError: z or label of another kind.
            ValueError: A shape that does not fit, or an unknown label.
        """
        checks.observations(z, (self.latent_size,), name="z")
        return self._generate(z, self._kinds(label, len(z)))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        label: Label | None = None,
        generator: Generator | None = None,
    ) -> Tensor:
        """Draw n observations, (n, *shape).

        Args:
            n: How many.
            label: A name, a number, or the kinds (n,). Without it each draw of a model
                with kinds has one of its own, all equally probable.
            generator: Where the randomness comes from; without one, torch's own.

        Raises:
            TypeError: An argument of another kind.
            ValueError: n below 1, or an unknown label.
        """
        n, source = checks.whole("n", n), checks.source(generator)
        if label is None and self.class_names:
            label = torch.randint(len(self.class_names), (n,), generator=source)
        kinds = self._kinds(label, n)
        return self._generate(torch.randn(n, self.latent_size, generator=source), kinds)

    def logit(self, x: Tensor, label: Label | None = None) -> Tensor:
        r"""Return the logit of the discriminator, (n,): $D(x) = \sigma(\ell(x))$.

        Args:
            x: Observations, (n, *shape).
            label: Their kinds, as in `decode`.

        Raises:
            TypeError: x or label of another kind.
            ValueError: A shape that does not fit, NaN, a pixel outside of 0 to 1, or an
                unknown label.
        """
        pictures = len(self.shape) == 3
        low, high = (0.0, 1.0) if pictures else (-math.inf, math.inf)
        checks.observations(x, self.shape, low=low, high=high)
        return self._judge(x, self._kinds(label, len(x)))

    def discriminator_loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Return twice the mean cross-entropy, batch against as many samples, in nats.

        $$-\E_{x \sim \Pdata}[\log D(x)] - \E_{x \sim \Pmodel}[\log(1 - D(x))]$$

        The best discriminator has $\log 4 - 2\,\mathrm{JS}(\Pdata, \Pmodel)$. Half of
        `penalty` times `gradient_penalty` is added, once at real and once at drawn
        observations; on the first quarter of the batch, to save time.

        Args:
            x: Real observations, (n, *shape).
            y: Their kinds (n,), for a model with class_names.

        Raises:
            TypeError, ValueError: x or y do not fit, as in `logit`.
        """
        real = self.logit(x, y)
        drawn = self.sample(len(x), label=y)
        fake = self._judge(drawn, y)
        loss = softplus(-real).mean() + softplus(fake).mean()
        if self.penalty:
            part = slice(max(1, len(x) // 4))
            kinds = None if y is None else y[part]
            for some in (x[part], drawn[part]):
                loss = loss + self.penalty / 2 * self.gradient_penalty(some, kinds)
        return loss

    def gradient_penalty(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Return how steep the logit is at observations: R1 at real ones, R2 at drawn.

        $$\E_x \lVert \nabla_x \ell(x) \rVert^2$$

        Args:
            x: Observations, (n, *shape).
            y: Their kinds (n,), for a model with class_names.

        Returns:
            A scalar: squared nats of the logit for a unit of x.

        Source: Mescheder, Geiger and Nowozin, 2018,
        https://arxiv.org/abs/1801.04406
        """
        x = x.detach().clone().requires_grad_()
        total = self._judge(x, y).sum()
        (slope,) = torch.autograd.grad(total, x, create_graph=True)
        return slope.square().flatten(1).sum(dim=1).mean()

    def generator_loss(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        r"""Return what the generator lowers, on as many samples as the batch has.

        $$\E_{z}[\log(1 - D(G(z)))] \quad\text{or}\quad -\E_{z}[\log D(G(z))]$$

        The first saturates, the second does not, both in nats.

        Args:
            x: A batch (n, ...), of which only the size is used.
            y: Its kinds (n,), for a model with class_names.

        Raises:
            TypeError, ValueError: The kinds do not fit, or are missing.

        Source: Goodfellow and others, 2014, section 3.
        """
        y = self._kinds(y, len(x))
        fake = self._judge(self._generate(torch.randn(len(x), self.latent_size), y), y)
        if self.loss == "saturating":
            return -softplus(fake).mean()
        return softplus(-fake).mean()

    def objectives(self) -> Objectives:
        """Return the two losses; each trains the parameters of one network."""
        return {
            "discriminator": (
                self.discriminator_loss,
                list(self.discriminator.parameters()),
            ),
            "generator": (self.generator_loss, list(self.generator.parameters())),
        }

    @classmethod
    def example(cls) -> Self:
        """Return a model of points around a circle, after a hundred steps."""
        model, source = cls((2,)), torch.Generator().manual_seed(0)
        x = torch.nn.functional.normalize(torch.randn(256, 2, generator=source))
        with random_numbers(0):
            steps = [
                (loss, torch.optim.Adam(parameters, lr=2e-3))
                for loss, parameters in model.objectives().values()
            ]
            for _ in range(100):
                for loss, optimizer in steps:
                    model.zero_grad()
                    loss(x).backward()  # type: ignore[no-untyped-call]
                    optimizer.step()
        return model

    def _kinds(self, label: Label | None, n: int) -> Tensor | None:
        """Return the kinds (n,), or None for a model that has none."""
        if label is None and self.class_names:
            raise ValueError(
                f"label is None, but this model draws by label; expected one of "
                f"{', '.join(self.class_names)}, or the kinds ({n},)"
            )
        return None if label is None else checks.kinds(label, n, self.class_names)

    def _generate(self, z: Tensor, y: Tensor | None) -> Tensor:
        if y is not None:
            z = torch.cat([z, one_hot(y, len(self.class_names)).to(z.dtype)], dim=1)
        x: Tensor = self.generator(z)
        return x

    def _judge(self, x: Tensor, y: Tensor | None) -> Tensor:
        logit: Tensor = self.discriminator(x, y)
        return logit


class _Discriminator(nn.Module):
    """Features f of an observation, and a logit: w f + b, and for a kind w_y f more.

    Source: Miyato and Koyama, 2018, https://arxiv.org/abs/1802.05637
    """

    def __init__(
        self, features: nn.Sequential, shape: tuple[int, ...], kinds: int
    ) -> None:
        super().__init__()
        self.features = features
        size = features(torch.zeros(1, *shape)).shape[1]
        self.score = nn.Linear(size, 1)
        self.of_kind = nn.Embedding(kinds, size) if kinds else None
        if self.of_kind is not None:
            nn.init.zeros_(self.of_kind.weight)

    def forward(self, x: Tensor, y: Tensor | None) -> Tensor:
        """Return the logits (n,)."""
        features = self.features(x)
        logit: Tensor = self.score(features).squeeze(1)
        if self.of_kind is not None:
            logit = logit + (self.of_kind(y) * features).sum(dim=1)
        return logit


class _Waves(nn.Module):
    """Vectors (n, d), followed by their sines and cosines along random directions."""

    directions: Tensor

    def __init__(self, size: int) -> None:
        super().__init__()
        spreads = torch.tensor(WAVES).repeat_interleave(EACH)
        self.register_buffer("directions", torch.randn(size, len(spreads)) * spreads)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, d + 2 * directions)."""
        phase = x @ self.directions
        return torch.cat([x, phase.sin(), phase.cos()], dim=1)


def _dense(inputs: int, activation: nn.Module) -> nn.Sequential:
    """Return the hidden layers of a network for vectors."""
    layers = nn.Sequential()
    for read, made in pairwise((inputs, *UNITS)):
        layers.extend([nn.Linear(read, made), activation])
    return layers


def _vector_features(size: int) -> nn.Sequential:
    read = size + 2 * len(WAVES) * EACH
    return nn.Sequential(_Waves(size), *_dense(read, nn.LeakyReLU(0.2)))


def _picture_features(shape: tuple[int, ...], width: int) -> nn.Sequential:
    """Return three convolutions, each of which halves the sides, and a dense layer."""
    channels, rows, columns = shape
    places = -(-rows // 8) * -(-columns // 8)
    act = nn.LeakyReLU(0.2)
    return nn.Sequential(
        *(nn.Conv2d(channels, width, 4, stride=2, padding=1), act),
        *(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1), act),
        *(nn.Conv2d(2 * width, 2 * width, 3, stride=2, padding=1), act),
        # places are judged together: parts that fit alone need not fit each other
        *(nn.Flatten(), nn.Linear(2 * width * places, DENSE), act),
    )


def _picture_generator(
    inputs: int, shape: tuple[int, ...], width: int
) -> nn.Sequential:
    """Return a dense layer for a quarter of the sides, and three that fill them in."""
    channels, rows, columns = shape
    small = (2 * width, rows // 4, columns // 4)

    def filled(read: int, made: int) -> list[nn.Module]:
        layer = nn.Conv2d(read, made, 3, padding=1)
        # one large step is less likely to drive all pixels to where the sigmoid is flat
        return [layer, nn.GroupNorm(1, made), nn.ReLU()]

    return nn.Sequential(
        *(nn.Linear(inputs, prod(small)), nn.Unflatten(1, small)),
        *(nn.GroupNorm(1, 2 * width), nn.ReLU(), *filled(2 * width, 2 * width)),
        *(nn.Upsample(scale_factor=2), *filled(2 * width, width)),
        # groups of four numbers become squares of pixels, and their seams are smoothed
        *(nn.Conv2d(width, 16 * channels, 3, padding=1), nn.PixelShuffle(2), nn.ReLU()),
        nn.Conv2d(4 * channels, channels, 3, padding=1),
        nn.Sigmoid(),
    )


def _shape(shape: Any) -> tuple[int, ...]:
    """Return a shape that one of the two kinds of networks fits."""
    sizes = checks.sizes("shape", shape)
    if len(sizes) not in (1, 3) or any(side % 4 for side in sizes[1:]):
        raise ValueError(
            f"shape is {sizes}; expected (numbers,), or (channels, rows, columns) with "
            "rows and columns divisible by 4"
        )
    return sizes
