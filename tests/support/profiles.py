"""How hard hypothesis looks: at the same examples each time, or, in the profile `deep`, at many new ones.

Importing this module loads the profile. A test that needs more or fewer examples than the profile has says so
with `effort`, for both.
"""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings

DEEP = "deep"
NAME = os.environ.get("HYPOTHESIS_PROFILE", "repeatable")

# no deadline: other programs share the processor, and an example that is slow once is no failure
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile(
    DEEP,
    deadline=None,
    max_examples=2_000,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
settings.load_profile(NAME)


def effort(usual: int, deep: int, **more: Any) -> settings:
    """Settings for `usual` examples, and for `deep` ones in the deep profile."""
    return settings(max_examples=deep if NAME == DEEP else usual, **more)
