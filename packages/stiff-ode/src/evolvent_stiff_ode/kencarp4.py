"""Kennedy and Carpenter's additive pair of order four."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau, difference

G = 0.25
A = (
    (),
    (0.25,),
    (8611 / 62500, -1743 / 31250),
    (5012029 / 34652500, -654441 / 2922500, 174375 / 388108),
    (15267082809 / 155376265600, -71443401 / 120774400, 730878875 / 902184768, 2285395 / 8070912),
    (82889 / 524892, 0.0, 15625 / 83664, 69875 / 102672, -2260 / 8211),
)
EXPLICIT = (
    (),
    (0.5,),
    (13861 / 62500, 6889 / 62500),
    (-116923316275 / 2393684061468, -2731218467317 / 15368042101831, 9408046702089 / 11113171139209),
    (
        *(-451086348788 / 2902428689909, -2682348792572 / 7519795681897, 12662868775082 / 11960479115383),
        3355817975965 / 11060851509271,
    ),
    (
        *(647845179188 / 3216320057751, 73281519250 / 8382639484533, 552539513391 / 3454668386233),
        *(3354512671639 / 8306763924573, 4040 / 17871),
    ),
)
EMBEDDED = (
    4586570599 / 29645900160,
    0.0,
    178811875 / 945068544,
    814220225 / 1159782912,
    -3700637 / 11593932,
    61727 / 225920,
)
DENSE = (
    (
        *(6943876665148 / 7220017795957, 0.0, 7640104374378 / 9702883013639, -20649996744609 / 7521556579894),
        *(8854892464581 / 2390941311638, -11397109935349 / 6675773540249),
    ),
    (-54480133 / 30881146, 0.0, -11436875 / 14766696, 174696575 / 18121608, -12120380 / 966161, 3843 / 706),
    (
        *(6818779379841 / 7100303317025, 0.0, 2173542590792 / 12501825683035, -31592104683404 / 5083833661969),
        *(61146701046299 / 7138195549469, -17219254887155 / 4939391667607),
    ),
)


@dataclass(frozen=True)
class KenCarp4(Sdirk):
    """KenCarp4: the additive pair ARK4(3)6L[2]SA, for split problems at middling tolerances.

    Order 4(3), five implicit stages, L-stable and stiffly accurate; the published third-order dense output. It takes
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
    >>> round(float(ev.solve(problem, "KenCarp4").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=4,
        error_order=3,
        gamma=G,
        c=(0.0, 0.5, 0.332, 0.62, 0.85, 1.0),
        a=A,
        explicit=EXPLICIT,
        error=difference(A, G, EMBEDDED),
        dense=DENSE,
        dense_order=3,
    )
