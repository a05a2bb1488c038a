"""Part III: one working model of every family; each is loaded when it is asked for."""

from typing import Any

from gdlbook._lazy import attribute

_HOME = {
    "CausalTransformer": "gdlbook.families.autoregressive",
    "DDPM": "gdlbook.families.diffusion",
    "EnergyModel": "gdlbook.families.energy",
    "GAN": "gdlbook.families.gan",
    "MADE": "gdlbook.families.autoregressive",
    "PixelCNN": "gdlbook.families.autoregressive",
    "RealNVP": "gdlbook.families.flow",
    "VAE": "gdlbook.families.vae",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import the public name from its home, once."""
    return attribute(name, _HOME, globals())


def __dir__() -> list[str]:
    return [*globals(), *__all__]
