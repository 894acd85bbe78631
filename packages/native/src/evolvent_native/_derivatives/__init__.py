"""Derivatives of what was recorded, as more of the same: nodes in, nodes out."""

from evolvent.sparse import colouring

from .dependence import dependence
from .forward import jvp
from .jacobian import compressed_jacobian, hvp, jacobian
from .reverse import vjp
from .sparsity import TooDense, sparsity
from .walk import NotDifferentiable

__all__ = [
    "NotDifferentiable",
    "TooDense",
    "colouring",
    "compressed_jacobian",
    "dependence",
    "hvp",
    "jacobian",
    "jvp",
    "sparsity",
    "vjp",
]
