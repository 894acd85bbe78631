"""The control plane of the JAX backend: functions of traced scalars."""

import jax.numpy as jnp
import numpy as np
from jax.numpy import (
    abs,
    ceil,
    exp,
    floor,
    isfinite,
    log,
    logical_and,
    logical_not,
    logical_or,
    maximum,
    minimum,
    nextafter,
    power,
    sign,
    sqrt,
)

__all__ = [
    "abs",
    "ceil",
    "exp",
    "floor",
    "isfinite",
    "log",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "nextafter",
    "power",
    "sign",
    "sqrt",
    "where",
]


def where(pred, yes, no):
    """Choose; at once where the choice is known, as it is on the host."""
    if isinstance(pred, bool | np.bool_):
        return yes if pred else no
    return jnp.where(pred, yes, no)
