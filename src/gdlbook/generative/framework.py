"""The framework: one protocol for every generative model, and what measures it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, Self

from torch import Generator, Tensor, nn

from gdlbook._measure.divergence import (
    Estimate,
    Known,
    in_pieces,
    kl_by_quadrature,
    kl_by_samples,
    log_density,
    mean,
)
from gdlbook._measure.draws import copying, spread
from gdlbook._measure.inputs import alike, draw, measured, observations, whole
from gdlbook._measure.probe import linear_probe
from gdlbook._measure.two_sample import TwoSample, two_sample_test
from gdlbook._model import shipped

__all__ = [
    "Density",
    "Estimate",
    "GenerativeModel",
    "Objectives",
    "Scorecard",
    "TwoSample",
    "Undefined",
    "copying",
    "kl_by_quadrature",
    "kl_by_samples",
    "linear_probe",
    "scorecard",
    "spread",
    "two_sample_test",
]

Objectives = dict[str, tuple[Callable[..., Tensor], list[Tensor]]]


class Density(Enum):
    """What a model can say of the density of an observation."""

    EXACT = "the density itself"
    BOUND = "a lower bound on the density"
    UNNORMALIZED = "the density up to an unknown constant"
    IMPLICIT = "nothing"


class Undefined(NotImplementedError):  # noqa: N818, a model lacks it: no error of ours
    """A verb that this kind of model cannot offer; the message says why, and what can.

    It is raised by calling the verb, not by looking it up.
    """


class GenerativeModel(nn.Module):
    """A distribution P_model that imitates P_data: what all models of the book share.

    A subclass sets `density`, defines `sample`, and defines those of the other verbs
    that it can keep its word on. Every other verb raises `Undefined`.

    Attributes:
        density: Which of the four kinds of answer the model gives about x.
        latent_size: How many numbers `decode` reads, if it reads a latent vector.
    """

    density: ClassVar[Density]
    latent_size: int = 0

    @classmethod
    def example(cls) -> Self:
        """Return a small model of this kind, fitted to a little data of its own.

        The taxonomy calls it to find out what the model can answer, and so do the
        tests that hold for all models.
        """
        raise NotImplementedError(f"{cls.__name__} does not define example")

    @classmethod
    def pretrained(cls, name: str) -> Self:
        """Return the model that ships under that name, trained, in evaluation mode.

        What it was trained on, how, and how well it does stand beside its weights in
        the folder `gdlbook/weights`; `make retrain` makes them anew.

        Raises:
            ValueError: No weights of this class ship under that name.
        """
        return shipped.pretrained(cls, name)

    def objectives(self) -> Objectives:
        """Return {name: (loss of a batch, parameters that it trains)}, for `fit`.

        Raises:
            Undefined: The model has nothing to descend: it is fitted in closed form, or
                by rounds of EM.
        """
        raise Undefined(
            f"{self._name} has no objectives: nothing in it is found by "
            "gradient steps. Use its class method fit."
        )

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Draw n observations, shape (n, ...); a conditional model takes `label=`."""
        raise NotImplementedError(f"{self._name} does not define sample")

    def log_prob(self, x: Tensor) -> Tensor:
        """Return the exact log density or log probability of x, (n,), in nats."""
        raise self._undefined("log_prob")

    def elbo(self, x: Tensor) -> Tensor:
        """Return a lower bound on the log density of x, (n,), in nats."""
        raise self._undefined("elbo")

    def energy(self, x: Tensor) -> Tensor:
        """Return -log p(x) up to one constant, unknown and the same for all x, (n,)."""
        raise self._undefined("energy")

    def encode(self, x: Tensor) -> Tensor:
        """Return the latent vectors of x, (n, d)."""
        raise Undefined(
            f"{self._name} has no encode: nothing in it maps an observation "
            "to a latent vector. Models with an encoder are principal components, "
            "the flow and the variational autoencoder."
        )

    def decode(self, z: Tensor) -> Tensor:
        """Return the observations of latent vectors z, (n, ...)."""
        raise Undefined(
            f"{self._name} has no decode: it draws observations without a "
            "latent vector. Use sample(n)."
        )

    @property
    def _name(self) -> str:
        return type(self).__name__

    def _undefined(self, verb: str) -> Undefined:
        return Undefined(f"{self._name} has no {verb}: {_INSTEAD[self.density]}")


_INSTEAD = {
    Density.EXACT: (
        "it knows its density exactly, so neither a bound nor an unnormalized "
        "energy is needed. Use log_prob(x)."
    ),
    Density.BOUND: (
        "its density is an integral without a closed form. Use elbo(x), a lower "
        "bound on the log density, and never report it as the density."
    ),
    Density.UNNORMALIZED: (
        "the constant that would make its density integrate to one is unknown. Use "
        "energy(x), which compares observations: the lower, the more probable."
    ),
    Density.IMPLICIT: (
        "it has a distribution and draws from it, but gives no way to evaluate it. "
        "Compare sample(n) with data instead, by a two-sample test."
    ),
}


# Data drawn from a small seed must not share its noise with samples from the same seed.
_APART = 0x5EED


@dataclass(frozen=True)
class Scorecard:
    """How far a model keeps the three promises: accuracy, generation, representation.

    Attributes:
        density: What the model can say of the density of an observation.
        held_out: Mean of `log_prob` or, for a model that has only a bound, of `elbo`
            over the test part, in nats; None if it has neither.
        distance: Mean of log P_data - log P_model over the test part, in nats; for a
            bound, a number that the divergence does not exceed. None where the world
            is not given, or `held_out` is None.
        two_sample: Whether samples can be told from the test part.
        seconds: Processor time for 64 samples.
        spread: Of samples relative to the test part; 1 is right.
        copying: How often a sample is nearer to the training data than the test part
            is; 1/2 is right, 1 a copy.
        probe: Accuracy of a linear classifier on codes of the test part; None without
            labels, or without `encode`.
    """

    density: Density
    held_out: Estimate | None
    distance: Estimate | None
    two_sample: TwoSample
    seconds: float
    spread: float
    copying: float
    probe: float | None


def scorecard(
    model: GenerativeModel,
    train: Tensor,
    test: Tensor,
    *,
    world: Known | None = None,
    labels: tuple[Tensor, Tensor] | None = None,
    seed: int = 0,
) -> Scorecard:
    """Measure any model by what it offers, in evaluation mode.

    Args:
        model: A fitted model.
        train: The observations that it was fitted to, (n, ...), floating.
        test: Observations that had no part in the fit, (m, ...), 20 or more. The model
            has to draw as many samples.
        world: P_data, with `log_prob`, where it is known.
        labels: Labels of train (n,) and of test (m,), whole numbers from 0, for the
            probe.
        seed: Of everything that is drawn; the caller's random state is left alone.

    Raises:
        TypeError: model is no `GenerativeModel`, observations are not floating tensors,
            or labels not whole numbers.
        ValueError: The model does not say which `density` it has, shapes do not fit
            each other, or a value is NaN.
    """
    _check(model, train, test, labels)
    with measured(model, whole("seed", seed, least=0)):
        generator = Generator().manual_seed(seed + _APART)
        samples = draw(model, test, generator)
        start = time.process_time()
        model.sample(64, generator=generator)
        seconds = time.process_time() - start
        held_out, distance = _says(model, test, world)
        return Scorecard(
            density=model.density,
            held_out=held_out,
            distance=distance,
            two_sample=two_sample_test(test, samples, seed=seed),
            seconds=seconds,
            spread=spread(samples, test),
            copying=copying(samples, train, test),
            probe=None if labels is None else _probe(model, train, test, labels),
        )


def _check(
    model: GenerativeModel,
    train: Tensor,
    test: Tensor,
    labels: tuple[Tensor, Tensor] | None,
) -> None:
    if not isinstance(model, GenerativeModel):
        raise TypeError(
            f"model is a {type(model).__name__}; expected a GenerativeModel"
        )
    if not isinstance(getattr(model, "density", None), Density):
        raise ValueError(
            f"{type(model).__name__} does not say which density it has; set density to "
            "Density.EXACT, BOUND, UNNORMALIZED or IMPLICIT on the class"
        )
    if labels is not None and not isinstance(labels, tuple):
        raise TypeError(
            f"labels is a {type(labels).__name__}; expected the pair (labels of train, "
            "labels of test)"
        )
    observations("train", train), observations("test", test, least=20)
    alike(("train", "test"), train, test)


def _says(
    model: GenerativeModel, test: Tensor, world: Known | None
) -> tuple[Estimate | None, Estimate | None]:
    """Return the mean log density or bound, and how far it stays below P_data."""
    verb = {Density.EXACT: "log_prob", Density.BOUND: "elbo"}.get(model.density)
    if verb is None:
        return None, None
    log_q = log_density("model", model, test, verb)
    if world is None:
        return mean(log_q), None
    return mean(log_q), mean(log_density("world", world, test) - log_q)


def _probe(
    model: GenerativeModel, train: Tensor, test: Tensor, labels: tuple[Tensor, Tensor]
) -> float | None:
    """Return what a linear probe reads off the codes; None for a model without them."""
    try:
        z, z_test = in_pieces(model.encode, train), in_pieces(model.encode, test)
    except Undefined:
        return None
    return linear_probe(z, labels[0], z_test, labels[1])
