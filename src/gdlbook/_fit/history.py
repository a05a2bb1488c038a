"""What a training run leaves behind to look at."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False, repr=False)
class History:
    """The record of one call of `fit`.

    Two histories are equal if every number in them is, `seconds` aside.

    Attributes:
        loss: For each objective its loss at every step, on the batch of that step and
            before the update, (steps,) float64 in the units of the loss.
        validation: For each objective its mean over the validation part, one value
            each time it was measured, (validations,) float64.
        steps: The number of steps done each time it was measured, (validations,)
            int64: what `validation` is drawn over.
        stopped_early: Whether `patience` ran out before the steps did.
        seconds: Time spent, that of the interrupted runs before it included.
    """

    loss: dict[str, NDArray[np.float64]]
    validation: dict[str, NDArray[np.float64]]
    steps: NDArray[np.int64]
    stopped_early: bool
    seconds: float

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return (
            self.stopped_early == other.stopped_early
            and np.array_equal(self.steps, other.steps)
            and _same(self.loss, other.loss)
            and _same(self.validation, other.validation)
        )

    __hash__ = None  # type: ignore[assignment]  # arrays have no hash either

    def __repr__(self) -> str:
        done = len(next(iter(self.loss.values())))
        lines = [f"{done:,} steps{', stopped early' * self.stopped_early}"]
        for name, loss in self.loss.items():
            line = f"{name} {loss[0]:.4g} -> {loss[-1]:.4g}"
            if len(self.steps):
                best = int(self.validation[name].argmin())
                line += f", validation {self.validation[name][-1]:.4g}"
                line += f" (best {self.validation[name][best]:.4g}"
                line += f" after step {self.steps[best]:,})"
            lines.append(line)
        return f"History({'; '.join(lines)})"


def _same(a: dict[str, NDArray[np.float64]], b: dict[str, NDArray[np.float64]]) -> bool:
    """Whether two sets of curves have the same names and the same numbers."""
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name]) for name in a)
