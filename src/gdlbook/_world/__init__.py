"""The pendulum, who plays with it, and the learner that a planner is held against.

The names are part of `gdlbook.generative.world_model`, which is where pages find them.
"""
