"""gdlbook: generative deep learning, a book you can run.

The names that the pages import most stand here, under one roof. Each is loaded when
it is first asked for, so that a NumPy chapter does not wait for torch.
"""

from typing import Any

_HOME = {
    "MLP": "gdlbook.networks.mlp",
    "StackedCNN": "gdlbook.networks.cnn",
    "checkerboard": "gdlbook.data",
    "conv2d": "gdlbook.networks.convolution",
    "fit": "gdlbook.train",
    "load": "gdlbook.data",
    "mixture": "gdlbook.data",
    "moons": "gdlbook.data",
    "output_size": "gdlbook.networks.convolution",
    "spiral": "gdlbook.data",
    "to_tensor": "gdlbook.data",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import the public name from its home, once."""
    from gdlbook._lazy import attribute  # not before: `gdlbook.data` loads nothing else

    return attribute(name, _HOME, globals())


def __dir__() -> list[str]:
    return [*globals(), *__all__]
