"""What the comparison measures: every family in every world, under one budget."""

import json
import platform
from dataclasses import asdict, dataclass
from typing import Any

import safetensors.torch
import torch
from torch import Generator, Tensor

from gdlbook.families.comparison import (
    ENTRIES,
    Entry,
    as_asked,
    compete,
    stem,
    steps_within,
    world,
)
from recipes.recipe import FIRST, ROOT, UNFINISHED, write

MEASURED = ROOT / "src/gdlbook/measured"


@dataclass(frozen=True)
class Contest:
    """One table: every entry of a world trains for the same processor seconds.

    Attributes:
        name: Of the world, in `ENTRIES`.
        seconds: The budget of one entry.
        seeds: Each entry competes once with each.
        samples: How many pictures of each model are kept, from its first seed.
    """

    name: str
    seconds: float
    seeds: tuple[int, ...] = (0,)
    samples: int = 0

    @property
    def stem(self) -> str:
        """The name of its files, without the ending."""
        return stem(self.name)

    def first_losses(self, entry: Entry) -> dict[str, list[float]]:
        """Return the losses of the first steps of an entry, by objective."""
        history = entry.train(entry.new(), world(self.name).learned, FIRST)
        return {name: loss.tolist() for name, loss in history.loss.items()}

    def retrain(self) -> None:
        """Measure every entry; go on after the last one that was finished."""
        UNFINISHED.mkdir(parents=True, exist_ok=True)
        unfinished = UNFINISHED / f"{self.stem}.json"
        pictures = unfinished.with_suffix(".safetensors")
        rows: dict[str, Any] = {}
        drawn: dict[str, Tensor] = {}
        if unfinished.exists():
            rows = json.loads(unfinished.read_text("utf-8"))
            drawn = safetensors.torch.load(pictures.read_bytes())
        for entry, seed, key in self._starters():
            if key in rows:
                continue
            print(f"   {key}", flush=True)
            rows[key], some = self._measured(entry, seed)
            if seed == self.seeds[0] and self.samples:
                drawn[entry.kind] = some
            write(pictures, safetensors.torch.save(drawn))
            write(unfinished, json.dumps(rows).encode())
        self._write(rows, drawn)
        unfinished.unlink(), pictures.unlink()

    def _starters(self) -> list[tuple[Entry, int, str]]:
        """Return every entry with every seed, and the key of its row."""
        return [
            (entry, seed, f"{entry.kind}, seed {seed}")
            for entry in ENTRIES[self.name]
            for seed in self.seeds
        ]

    def _measured(self, entry: Entry, seed: int) -> tuple[dict[str, Any], Tensor]:
        """Return the row of an entry, and a few of its samples as gray levels."""
        arena = world(self.name)
        steps = steps_within(self.seconds, entry, arena.learned)
        row, model = compete(entry, arena, steps, seed)
        generator = Generator().manual_seed(0)
        some = as_asked(model, arena).sample(max(1, self.samples), generator=generator)
        return asdict(row), (255 * some).round().to(torch.uint8)

    def _write(self, rows: dict[str, Any], drawn: dict[str, Tensor]) -> None:
        record = {
            "world": self.name,
            "seconds": self.seconds,
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
            },
            "entries": {
                entry.kind: asdict(entry) | {"first_losses": self.first_losses(entry)}
                for entry in ENTRIES[self.name]
            },
            "rows": [rows[key] for *_, key in self._starters()],
        }
        text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
        MEASURED.mkdir(exist_ok=True)
        write(MEASURED / f"{self.stem}.json", text.encode())
        if drawn:
            content = safetensors.torch.save(drawn)
            write(MEASURED / f"{self.stem}.safetensors", content)


RECIPES = [
    Contest("moons", seconds=30, seeds=(0, 1, 2)),
    Contest("mixture", seconds=30),
    Contest("clothing, black and white", seconds=60, samples=10),
    Contest("clothing, gray", seconds=60, samples=10),
    Contest("emoji, silhouettes", seconds=60, samples=10),
    Contest("emoji, color", seconds=60, samples=10),
]
