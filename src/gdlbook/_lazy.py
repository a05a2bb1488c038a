"""Public names of a package, each imported from its home when it is asked for."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any


def attribute(name: str, home: Mapping[str, str], namespace: dict[str, Any]) -> Any:
    """Import a name from the module that is its home, and keep it in the package.

    Raises:
        AttributeError: The name has no home.
    """
    if name not in home:
        raise AttributeError(
            f"module {namespace['__name__']!r} has no attribute {name!r}"
        )
    namespace[name] = value = getattr(import_module(home[name]), name)
    return value
