"""Pictures, texts and toys: what the book trains on, all of it in the package.

The toys and their base class are loaded when they are first asked for, because they
need torch and the rest does not.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gdlbook.data.catalog import load
from gdlbook.data.pictures import Part, Pictures, to_tensor
from gdlbook.data.texts import Texts

if TYPE_CHECKING:
    from gdlbook.data.plane import Toy
    from gdlbook.data.toys import checkerboard, mixture, moons, spiral

__all__ = [
    "Part",
    "Pictures",
    "Texts",
    "Toy",
    "checkerboard",
    "load",
    "mixture",
    "moons",
    "spiral",
    "to_tensor",
]


def __getattr__(name: str) -> Any:
    """Import a toy from its module, once."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(".toys", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
