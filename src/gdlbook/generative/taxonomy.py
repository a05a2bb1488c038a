"""The taxonomy: every model of the package in its place, and what each can answer."""

from collections.abc import Iterable, Iterator
from importlib import import_module
from pkgutil import iter_modules

import torch

from gdlbook.generative.framework import Density, GenerativeModel, Undefined

__all__ = ["VERBS", "abilities", "chapter", "models", "place", "refusals", "tree"]

VERBS = ("sample", "log_prob", "elbo", "energy", "encode", "decode")
PARTS = ("generative", "families")  # where chapters may define models

_PLACES = {
    Density.EXACT: ("explicit", "tractable"),
    Density.BOUND: ("explicit", "approximate"),
    Density.UNNORMALIZED: ("explicit", "approximate"),
    Density.IMPLICIT: ("implicit",),
}
Model = type[GenerativeModel]
Branches = dict[str, "Branches | list[str]"]


def models() -> list[Model]:
    """Return every model class that a chapter of the package defines, by its name.

    The chapters are imported for it, so a model that is added later is found as well.
    """
    found = set(_below(GenerativeModel, _chapters()))
    return sorted(found, key=lambda model: model.__name__)


def place(model: Model) -> tuple[str, ...]:
    """Return where a model stands: its branch, and the branch of that.

    Args:
        model: A class with the flag `density`.

    Raises:
        TypeError: It is no class of a generative model, or has no flag.

    Source: Goodfellow, 2016, figure 9, https://arxiv.org/abs/1701.00160.
    """
    flag = getattr(model, "density", None)
    if not (isinstance(model, type) and isinstance(flag, Density)):
        raise TypeError(
            f"{model!r} says no density; expected a class of GenerativeModel that sets "
            f"one of {', '.join(map(str, Density))}"
        )
    return _PLACES[flag]


def tree(classes: Iterable[Model]) -> Branches:
    """Return the tree with the names of these models as its leaves.

    Branches stand in the order of the flags; without models, a branch is left out.
    """
    leaves: dict[tuple[str, ...], list[str]] = {path: [] for path in _PLACES.values()}
    for model in classes:
        leaves[place(model)].append(model.__name__)
    grown: Branches = {}
    for (first, *second), names in leaves.items():
        if names and second:
            below = grown.setdefault(first, {})
            assert isinstance(below, dict)
            below[second[0]] = names
        elif names:
            grown[first] = names
    return grown


def refusals(model: GenerativeModel) -> dict[str, str]:
    """Call every verb of a fitted model, and return the sentence of each that refuses.

    Four observations are drawn from the model itself, so they lie in its sample space.

    Raises:
        ValueError: A verb answers with another number of values than observations.
    """
    sentences = {}
    with torch.random.fork_rng(devices=[]):  # a bound may draw: leave no trace
        torch.default_generator.manual_seed(0)
        for verb, argument in zip(VERBS, _arguments(model), strict=True):
            try:
                answer = getattr(model, verb)(argument)
            except Undefined as sentence:
                sentences[verb] = str(sentence)
                continue
            if len(answer) != 4:
                raise ValueError(
                    f"{type(model).__name__}.{verb} returned {len(answer)} values for "
                    "4 observations; expected one for each"
                )
    return sentences


def abilities(model: GenerativeModel) -> list[bool]:
    """Return for each of `VERBS`, in order, whether the model answers when called."""
    refused = refusals(model)
    return [verb not in refused for verb in VERBS]


def chapter(model: Model) -> str:
    """Return the stem of the chapter that defines a model, as "generative/latent"."""
    return "/".join(model.__module__.split(".")[1:3])


def _arguments(model: GenerativeModel) -> list[object]:
    """Return what each of `VERBS` is called with, in order."""
    x = model.sample(4)
    try:
        z = model.encode(x)
    except Undefined:
        z = torch.zeros(4, model.latent_size)
    return [4, x, x, x, x, z]


def _chapters() -> set[str]:
    """Import every chapter that may define models, and return their names."""
    names = set()
    for part in PARTS:
        try:
            package = import_module(f"gdlbook.{part}")
        except ModuleNotFoundError:
            continue
        for module in iter_modules(package.__path__):
            names.add(f"gdlbook.{part}.{module.name}")
            import_module(f"gdlbook.{part}.{module.name}")
    return names


def _below(model: Model, chapters: set[str]) -> Iterator[Model]:
    """Yield the classes below a model that are public and defined in a chapter."""
    for child in model.__subclasses__():
        home = ".".join(child.__module__.split(".")[:3])
        public = not child.__name__.startswith("_") and hasattr(child, "density")
        if home in chapters and public:
            yield child
        yield from _below(child, chapters)
