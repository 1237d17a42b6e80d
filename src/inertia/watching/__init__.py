"""Watching a run that is under way, whatever framework trains it: quantities, regimes, messages, pace, and a log that survives.

`looking` measures one moment of a run on a `Source`; `history` keeps what was seen; `messages` says what follows from it, once when
it becomes true and once when it ends; `monitor` holds these together for the doors (inertia.torch.Watch, inertia.jax.Watch).
"""
