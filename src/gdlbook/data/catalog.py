"""One door to all that ships: a name in, pictures or texts out."""

from functools import cache
from typing import Any, Literal, overload

from gdlbook.data.pictures import Pictures, read_pictures
from gdlbook.data.texts import Texts, read_moby_dick, read_names

_READERS = {
    "emoji": lambda: read_pictures("emoji"),
    "fashion": lambda: read_pictures("fashion"),
    "moby_dick": read_moby_dick,
    "names": read_names,
}


@overload
def load(name: Literal["fashion", "emoji"]) -> Pictures: ...
@overload
def load(name: Literal["names"]) -> Texts[tuple[str, ...]]: ...
@overload
def load(name: Literal["moby_dick"]) -> Texts[str]: ...


def load(name: str) -> Any:
    """The data set of that name, read from the package and checked by its sha256.

    | name | what | train | test |
    | --- | --- | --- | --- |
    | `"fashion"` | Fashion-MNIST, gray, 28x28, ten kinds | 8,000 | 2,000 |
    | `"emoji"` | emoji drawings, color, 32x32, ten kinds | 4,328 | 949 |
    | `"names"` | English first names, lower case | nine in ten | one in ten |
    | `"moby_dick"` | Melville's novel, as one string | first 90 % | last 10 % |

    The first call in a process reads the file; later ones return the same object,
    whose arrays are read-only. Where each file comes from stands in
    `gdlbook/data/PROVENANCE.md`.

    Args:
        name: one of the names above.

    Returns:
        `Pictures` for the first two, `Texts` for the others.

    Raises:
        ValueError: there is no such data set, or its file is damaged.
        FileNotFoundError: its file is missing.
    """
    if name not in tuple(_READERS):
        raise ValueError(
            f"there is no data set {name!r}; there are {', '.join(_READERS)} "
            "(the toys are imported: from gdlbook import moons)"
        )
    return _read(name)


@cache
def _read(name: str) -> Any:
    return _READERS[name]()
