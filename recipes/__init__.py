"""How the weights that ship with the book were made: `make retrain` makes them anew."""

from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol


class Made(Protocol):
    """What `make retrain` makes: weights, or the measurements of the comparison."""

    @property
    def stem(self) -> str:
        """The name of its files, without the ending."""

    def retrain(self) -> None:
        """Make the files; go on where a run was ended."""


def every() -> list[tuple[str, Made]]:
    """Return every recipe of this folder, each with the name of its module."""
    modules = sorted(m.name for m in iter_modules(__path__) if m.name[0] != "_")
    return [
        (name, recipe)
        for name in modules
        if name != "recipe"
        for recipe in import_module(f"recipes.{name}").RECIPES
    ]
