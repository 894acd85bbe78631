"""From a graph to LLVM's text."""

from .unit import generate

__all__ = ["generate"]
