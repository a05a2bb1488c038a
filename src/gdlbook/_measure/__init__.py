"""What measures a model: distances, tests, spread and probes.

The names are part of `gdlbook.generative.framework`, which is where pages find them.
"""
