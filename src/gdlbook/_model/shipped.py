"""The weights that ship with the book: a file of tensors, and the record beside it."""

import hashlib
import json
from importlib.resources import files
from typing import Any, TypeVar

from safetensors.torch import load
from torch import nn

Model = TypeVar("Model", bound=nn.Module)

FOLDER = files("gdlbook").joinpath("weights")


def names(kind: str) -> list[str]:
    """Return the names under which weights of a class ship, as "fashion"."""
    found = (file.name for file in FOLDER.iterdir())
    start = f"{kind.lower()}-"
    return sorted(
        name.removeprefix(start).removesuffix(".json")
        for name in found
        if name.startswith(start) and name.endswith(".json")
    )


def record(kind: str, name: str) -> dict[str, Any]:
    """Return what is recorded of shipped weights: recipe, seed, versions, figures.

    Raises:
        ValueError: There are none of that name.
    """
    there = names(kind)
    if name not in there:
        listed = ", ".join(map(repr, there)) or "none"
        raise ValueError(
            f"no weights of {kind} ship under the name {name!r}; there are {listed}"
        )
    text = FOLDER.joinpath(f"{kind.lower()}-{name}.json").read_text("utf-8")
    told: dict[str, Any] = json.loads(text)
    return told


def pretrained(kind: type[Model], name: str) -> Model:
    """Return a model of that class with the weights that ship under a name."""
    told = record(kind.__name__, name)
    content = FOLDER.joinpath(
        f"{kind.__name__.lower()}-{name}.safetensors"
    ).read_bytes()
    seen = hashlib.sha256(content).hexdigest()
    if seen != told["sha256"]:
        raise ValueError(
            f"the weights {kind.__name__} {name!r} are damaged: expected sha256 "
            f"{told['sha256']}, saw {seen}; install gdlbook again"
        )
    model = kind(**told["model"])
    model.load_state_dict(load(content))
    return model.eval()
