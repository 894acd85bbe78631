"""What an accepted step leaves for its dense output."""

from __future__ import annotations

from typing import Any, NamedTuple


class Again(NamedTuple):
    """What a step can be taken again from: cheaper to carry through a compiled loop than its stages."""

    y: Any
    cache: Any


def stages(stepper: Any, system: Any, t: Any, dt: Any, record: Any) -> Any:
    """The dense-output data of the step of length `dt` from `t`, taken again where only its start was kept."""
    if isinstance(record, Again):
        record = stepper.step(system, t, record.y, dt, record.cache).dense
    return stepper.complete(system, record)
