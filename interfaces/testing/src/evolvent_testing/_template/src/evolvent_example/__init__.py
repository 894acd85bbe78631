"""An algorithm for evolvent."""

from .heun_euler import HeunEuler

__version__ = "0.1.0"

__all__ = ["HeunEuler"]
