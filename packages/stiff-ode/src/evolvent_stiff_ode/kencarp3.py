"""Kennedy and Carpenter's additive pair of order three."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau, difference

G = 1767732205903 / 4055673282236
A = (
    (),
    (1767732205903 / 4055673282236,),
    (2746238789719 / 10658868560708, -640167445237 / 6845629431997),
    (1471266399579 / 7840856788654, -4482444167858 / 7529755066697, 11266239266428 / 11593286722821),
)
EXPLICIT = (
    (),
    (2.0 * G,),
    (5535828885825 / 10492691773637, 788022342437 / 10882634858940),
    (6485989280629 / 16251701735622, -4246266847089 / 9704473918619, 10755448449292 / 10357097424841),
)
EMBEDDED = (
    *(2756255671327 / 12835298489170, -10771552573575 / 22201958757719, 9247589265047 / 10645013368117),
    2193209047091 / 5459859503100,
)
DENSE = (
    (
        *(4655552711362 / 22874653954995, -18682724506714 / 9892148508045, 34259539580243 / 13192909600954),
        584795268549 / 6622622206610,
    ),
    (
        *(-215264564351 / 13552729205753, 17870216137069 / 13817060693119, -28141676662227 / 17317692491321),
        2508943948391 / 7218656332882,
    ),
)


@dataclass(frozen=True)
class KenCarp3(Sdirk):
    """KenCarp3: the additive pair ARK3(2)4L[2]SA, for split problems at coarse tolerances.

    Order 3(2), three implicit stages, L-stable and stiffly accurate; the published second-order dense output. It takes
    the parts of an `evolvent.SplitODEProblem` implicitly and explicitly; other problems, singular mass matrices
    included, it solves by its implicit method.

    References
    ----------
    C. A. Kennedy, M. H. Carpenter, Additive Runge-Kutta schemes for convection-diffusion-reaction equations, Applied
    Numerical Mathematics 44 (2003), doi:10.1016/S0168-9274(02)00138-1.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff, slow = (lambda t, y, p: -1000.0 * (y - 1.0)), (lambda t, y, p: 0.0 * y)
    >>> problem = ev.SplitODEProblem(stiff, slow, y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(problem, "KenCarp3").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=3,
        error_order=2,
        gamma=G,
        c=(0.0, 2.0 * G, 0.6, 1.0),
        a=A,
        explicit=EXPLICIT,
        error=difference(A, G, EMBEDDED),
        dense=DENSE,
        dense_order=2,
    )
