"""Part III: one working model of every family; each is loaded when it is asked for."""

from importlib import import_module
from typing import Any

_HOME = {
    "CausalTransformer": "autoregressive",
    "MADE": "autoregressive",
    "PixelCNN": "autoregressive",
    "RealNVP": "flow",
    "VAE": "vae",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import the public name from its chapter, once."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *__all__]
