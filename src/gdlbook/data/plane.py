"""What every toy on the plane can do: give points, and their exact log density."""

import operator
from abc import ABC, abstractmethod

from torch import Generator, Tensor

Bounds = tuple[float, float, float, float]


class Toy(ABC):
    """A distribution on the plane with samples and an exact log density.

    Attributes:
        name: what it is called.
        bounds: lowest and highest x1, lowest and highest x2 of a box that holds all
            of the probability but less than 1e-9.
    """

    def __init__(self, name: str, bounds: Bounds) -> None:
        self.name = name
        self.bounds = bounds

    def __repr__(self) -> str:
        return f"<toy {self.name}>"

    def sample(self, n: int, *, generator: Generator | None = None) -> Tensor:
        """Independent points.

        Args:
            n: how many, at least one.
            generator: where the randomness comes from; without one, torch's own.

        Returns:
            float32 points (n, 2).

        Raises:
            TypeError: n is not a whole number, or generator is not a
                `torch.Generator`.
            ValueError: n is below one.
        """
        try:
            count = operator.index(n)
        except TypeError:
            raise TypeError(f"n is {n!r}; expected a whole number of points") from None
        if count < 1:
            raise ValueError(f"n is {n}; expected at least one point")
        if generator is not None and not isinstance(generator, Generator):
            raise TypeError(
                f"generator is {generator!r}; expected a torch.Generator, such as "
                "torch.Generator().manual_seed(0)"
            )
        return self._draw(count, generator).float()

    def log_prob(self, x: Tensor) -> Tensor:
        """The exact log density, log p(x), in nats; computed in float64.

        Args:
            x: points (n, 2), floating and finite.

        Returns:
            (n,), of the dtype of x.

        Raises:
            TypeError: x is not a floating tensor.
            ValueError: x has another shape, or a value that is not finite.
        """
        if not isinstance(x, Tensor):
            raise TypeError(f"x is a {type(x).__name__}; expected a tensor (n, 2)")
        if not x.is_floating_point():
            raise TypeError(f"x has dtype {x.dtype}; expected floating, as float32")
        if x.ndim != 2 or x.shape[1] != 2:
            raise ValueError(f"x has shape {tuple(x.shape)}; expected (n, 2)")
        bad = (~x.isfinite().all(dim=1)).nonzero().flatten()
        if len(bad):
            raise ValueError(
                f"x holds {len(bad)} of {len(x)} points that are not finite, the first "
                f"at row {int(bad[0])}: {x[bad[0]].tolist()}; expected numbers"
            )
        return self._log_density(x.double()).to(x.dtype)

    @abstractmethod
    def _draw(self, n: int, generator: Generator | None) -> Tensor: ...

    @abstractmethod
    def _log_density(self, x: Tensor) -> Tensor: ...
