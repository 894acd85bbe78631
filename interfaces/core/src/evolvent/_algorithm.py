"""What an algorithm is to the core: a value that says how, with a few traits for the chooser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar


class Algorithm(ABC):
    """A way to solve problems: an immutable value, usually a frozen dataclass.

    Traits are class attributes with conservative defaults; the chooser and ``python -m evolvent`` read them.
    """

    problem_types: ClassVar[tuple[type, ...]] = ()
    implicit: ClassVar[bool] = False
    symplectic: ClassVar[bool] = False
    stabilised: ClassVar[bool] = False

    @property
    def name(self) -> str:
        return type(self).__name__

    @abstractmethod
    def solve(self, problem: Any, *, backend: Any, **options: Any) -> Any:
        """Solve `problem` with the arrays of `backend`; called by `evolvent.solve`."""

    def init(self, problem: Any, *, backend: Any, **options: Any) -> Any:
        """Return an integrator that is stepped by hand; called by `evolvent.init`."""
        raise NotImplementedError(f"{self.name} solves a problem at once and can't be stepped by hand: use ev.solve")

    def compile(self, problem: Any, *, backend: Any, **options: Any) -> Any:
        """Return ``run(y0=, params=, t_span=)``; called by `evolvent.compile`."""
        raise NotImplementedError(f"{self.name} has no compiled form: use ev.solve")

    def staged_on(self, problem: Any, *, backend: Any, **options: Any) -> Any:
        """The backend that would solve `problem`: another than `backend` where that can't stage a function of it."""
        return backend

    def traits(self) -> list[str]:
        """List what sets this algorithm apart, in words."""
        words = [type_.__name__ for type_ in self.problem_types]
        order = getattr(self, "order", None)
        words += [f"order {order}"] if order else []
        words += ["adaptive"] if getattr(self, "adaptive", False) else ["fixed step"]
        return words + [word for word in ("implicit", "symplectic", "stabilised") if getattr(self, word)]
