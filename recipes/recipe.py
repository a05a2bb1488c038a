"""A recipe: which model, which data, how long; and the record of what came of it."""

import hashlib
import json
import platform
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from gdlbook.generative.framework import GenerativeModel
from gdlbook.train import fit, one_thread

ROOT = Path(__file__).parents[1]
WEIGHTS = ROOT / "src/gdlbook/weights"
UNFINISHED = ROOT / ".cache/retrain"
FIRST = 5  # steps whose losses are recorded and compared


@dataclass(frozen=True)
class Recipe:
    """How one file of weights is made.

    Attributes:
        kind: The class of the model.
        name: What `kind.pretrained` knows the weights by, as "fashion".
        model: What the class is made with, in values that JSON knows.
        data: Returns what `fit` trains on: a tensor, or a tuple of them. The test part
            has no part in it.
        figures: Judges the trained model on the test part: {figure with unit: number}.
        steps, batch_size, learning_rate, average, seed: Settings of `fit`; the rate
            anneals.
    """

    kind: type[GenerativeModel]
    name: str
    model: dict[str, Any]
    data: Callable[[], Tensor | tuple[Tensor, ...]]
    figures: Callable[[Any], dict[str, float]]
    steps: int
    batch_size: int
    learning_rate: float | dict[str, float]
    average: float = 0.0
    seed: int = 0

    @property
    def stem(self) -> str:
        """The name of its files, without the ending."""
        return f"{self.kind.__name__.lower()}-{self.name}"

    def first_losses(self) -> dict[str, list[float]]:
        """Return the losses of the first steps of a new model, by objective."""
        model = self.kind(**self.model)
        history = fit(model, self.data(), progress=False, **self.settings(FIRST))
        return {name: loss.tolist() for name, loss in history.loss.items()}

    def measured(self, model: GenerativeModel) -> dict[str, float]:
        """Return the figures of a model on the test part, from one seed, one thread."""
        with one_thread(), torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.default_generator.manual_seed(self.seed)
            return self.figures(model.eval())

    def retrain(self) -> None:
        """Train, judge, and write weights and record; go on where a run was ended."""
        UNFINISHED.mkdir(parents=True, exist_ok=True)
        checkpoint = UNFINISHED / f"{self.stem}.safetensors"
        model = self.kind(**self.model)
        history = fit(
            model,
            self.data(),
            every=500,
            checkpoint=checkpoint,
            **self.settings(self.steps),
        )
        self._write(model, history.seconds)
        checkpoint.unlink()

    def settings(self, steps: int) -> dict[str, Any]:
        """Return what `fit` is told, for so many steps."""
        return {
            "steps": steps,
            "batch_size": self.batch_size,
            "learning_rate": self.learning_rate,
            "anneal": True,
            "average": self.average,
            "seed": self.seed,
        }

    def _write(self, model: GenerativeModel, seconds: float) -> None:
        """Write the weights and their record."""
        weights = {name: t.contiguous() for name, t in model.state_dict().items()}
        content = safetensors.torch.save(weights)
        record = {
            "class": f"{self.kind.__module__}.{self.kind.__qualname__}",
            "model": self.model,
            "training": self.settings(self.steps),
            "seconds": round(seconds),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
            },
            "parameters": sum(p.numel() for p in model.parameters()),
            "figures": self.measured(model),
            "first_losses": self.first_losses(),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        WEIGHTS.mkdir(exist_ok=True)
        write(WEIGHTS / f"{self.stem}.safetensors", content)
        write(WEIGHTS / f"{self.stem}.json", text.encode())


def write(file: Path, content: bytes) -> None:
    """Write beside the old file, then rename: old or new, never half."""
    partial = file.with_name(f"{file.name}.partial")
    partial.write_bytes(content)
    partial.replace(file)
