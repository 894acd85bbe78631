"""The control plane of the JAX backend: functions of traced scalars."""

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
    where,
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
