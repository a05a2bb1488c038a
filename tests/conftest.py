"""Settings for all tests: one thread, on which small networks run best; no deadline."""

import os

from hypothesis import settings

os.environ.setdefault("KERAS_BACKEND", "torch")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("OMP_NUM_THREADS", "1")

# The same examples every time, and no test that fails because a machine is busy.
settings.register_profile("book", deadline=None, derandomize=True)
settings.load_profile("book")
