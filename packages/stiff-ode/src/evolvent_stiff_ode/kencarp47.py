"""Kennedy and Carpenter's later additive pair of order four."""

from __future__ import annotations

from dataclasses import dataclass

from ._sdirk import Sdirk
from ._sdirk_tableau import SdirkTableau, difference

G = 0.1235
A = (
    (),
    (0.1235,),
    (624185399699 / 4186980696204, 624185399699 / 4186980696204),
    (1258591069120 / 10082082980243, 1258591069120 / 10082082980243, -322722984531 / 8455138723562),
    (
        *(-436103496990 / 5971407786587, -436103496990 / 5971407786587, -2689175662187 / 11046760208243),
        4431412449334 / 12995360898505,
    ),
    (
        *(-2207373168298 / 14430576638973, -2207373168298 / 14430576638973, 242511121179 / 3358618340039),
        *(3145666661981 / 7780404714551, 5882073923981 / 14490790706663),
    ),
    (
        *(0.0, 0.0, 9164257142617 / 17756377923965, -10812980402763 / 74029279521829, 1335994250573 / 5691609445217),
        2273837961795 / 8368240463276,
    ),
)
EXPLICIT = (
    (),
    (0.247,),
    (0.06175, 2694949928731 / 7487940209513),
    (464650059369 / 8764239774964, 878889893998 / 2444806327765, -952945855348 / 12294611323341),
    (
        *(476636172619 / 8159180917465, -1271469283451 / 7793814740893, -859560642026 / 4356155882851),
        1723805262919 / 4571918432560,
    ),
    (
        *(6338158500785 / 11769362343261, -4970555480458 / 10924838743837, 3326578051521 / 2647936831840),
        *(-880713585975 / 1841400956686, -1428733748635 / 8843423958496),
    ),
    (
        *(760814592956 / 3276306540349, 760814592956 / 3276306540349, -47223648122716 / 6934462133451),
        *(71187472546993 / 9669769126921, -13330509492149 / 9695768672337, 11565764226357 / 8513123442827),
    ),
)
EMBEDDED = (
    *(0.0, 0.0, 4469248916618 / 8635866897933, -621260224600 / 4094290005349, 696572312987 / 2942599194819),
    *(1532940081127 / 5565293938103, 0.12205),
)
CAUTION = 4.0  # the embedded formula is so good that its difference is small beside the leading error


@dataclass(frozen=True)
class KenCarp47(Sdirk):
    """KenCarp47: the additive pair ARK4(3)7L[2]SA1, the later `KenCarp4`, for split problems at middling tolerances.

    Order 4(3), six implicit stages, L-stable and stiffly accurate; third-order dense output. The estimated error is
    four times the published difference, which is small beside the error. It takes the parts of a split problem
    (`evolvent.SplitODEProblem`) implicitly and explicitly; other problems, singular mass matrices included, it solves
    by its implicit method.

    References
    ----------
    C. A. Kennedy, M. H. Carpenter, Higher-order additive Runge-Kutta schemes for ordinary differential equations,
    Applied Numerical Mathematics 136 (2019), doi:10.1016/j.apnum.2018.10.007.

    Examples
    --------
    >>> import evolvent as ev
    >>> stiff, slow = (lambda t, y, p: -1000.0 * (y - 1.0)), (lambda t, y, p: 0.0 * y)
    >>> problem = ev.SplitODEProblem(stiff, slow, y0=[0.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(problem, "KenCarp47").y[-1, 0]), 4)
    1.0
    """

    tableau = SdirkTableau(
        order=4,
        error_order=3,
        gamma=G,
        c=(0.0, 0.247, 4276536705230 / 10142255878289, 0.335, 0.075, 0.7, 1.0),
        a=A,
        explicit=EXPLICIT,
        error=difference(A, G, EMBEDDED, CAUTION),
    )
