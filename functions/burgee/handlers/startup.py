"""Turns the collector of cyclic garbage off while a function starts: what is imported stays, and is no garbage.

It is imported before everything else, and `started` is called after it.
"""

from __future__ import annotations

import gc

gc.disable()


def started() -> None:
    """Turns the collector on again, and spares it what is there by now, which it would go through for nothing."""
    gc.freeze()
    gc.enable()
