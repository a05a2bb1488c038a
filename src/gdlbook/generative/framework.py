"""The framework: one protocol for every generative model, and what measures it."""

from collections.abc import Callable
from enum import Enum
from typing import ClassVar, Self

from torch import Generator, Tensor, nn

__all__ = ["Density", "GenerativeModel", "Undefined"]

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

    def objectives(self) -> Objectives:
        """Return {name: (loss of a batch, parameters that it trains)}, for `fit`.

        Raises:
            Undefined: The model has nothing to descend, because its parameters have a
                closed form.
        """
        raise Undefined(
            f"{self._name} has no objectives: nothing in it is found by gradient "
            "steps; its class says how it is fitted in closed form."
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
            f"{self._name} has no encode: nothing in it maps an observation to a "
            "latent vector. Models with an encoder are the flow, the autoencoder and "
            "the variational autoencoder."
        )

    def decode(self, z: Tensor) -> Tensor:
        """Return the observations of latent vectors z, (n, ...)."""
        raise Undefined(
            f"{self._name} has no decode: it draws observations without a latent "
            "vector. Use sample(n)."
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
