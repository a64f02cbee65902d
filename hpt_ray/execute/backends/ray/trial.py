"""One Tune trial: name a unit to the desk, wait, report how it went.

Apart from the runner, so that the processes of trials import neither torch nor anything else they do not need.
"""

from __future__ import annotations

from typing import Any


def trial(config: dict[str, Any], desk: Any) -> None:
    """Tune's function trainable; ``config["unit"]`` is the id of a unit that the desk has."""
    import ray
    from ray import tune

    tune.report({"failed": ray.get(desk.submit.remote(config["unit"]))})
