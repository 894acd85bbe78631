"""Ranocha, Dalcin, Parsani and Ketcheson's fourth-order pair in few registers."""

from __future__ import annotations

from dataclasses import dataclass

from ._low_storage import LowStorage, ThreeRegisters


@dataclass(frozen=True)
class RDPK3SpFSAL49(LowStorage):
    """The fourth-order pair made for compressible flow by spectral elements, in few registers.

    Order 4, nine evaluations of f a step (first same as last), four arrays; the error estimate and the PID
    controller were optimised together.

    References
    ----------
    H. Ranocha, L. Dalcin, M. Parsani, D. I. Ketcheson, Optimized Runge-Kutta methods with automatic step size
    control for compressible computational fluid dynamics, Communications on Applied Mathematics and
    Computation 4 (2022) 1191-1228, doi:10.1007/s42967-021-00159-w.

    Examples
    --------
    >>> import evolvent as ev
    >>> decay = ev.ODEProblem(lambda t, y, p: -y, y0=[1.0], t_span=(0.0, 1.0))
    >>> round(float(ev.solve(decay, "RDPK3SpFSAL49", rtol=1e-7, atol=1e-7).y[-1, 0]), 5)
    0.36788
    """

    controller = (0.38, -0.18, 0.01)
    # fmt: off
    scheme = ThreeRegisters(
        order=4,
        gamma1=(
            1.0, -4.655641447335069, -0.7720265099645872, -4.024436690519806, -0.02129676284018531,
            -2.4350225097901097, 0.01985627297131987, -0.28107911467910385, 0.16894341687548597,
        ),
        gamma2=(
            0.0, 2.499262792574495, 0.5866820377718875, 1.2051460865230945, 0.34747937221867325,
            1.321346060965113, 0.3119636464694194, 0.4351419539684379, 0.23596981300287537,
        ),
        gamma3=(
            0.0, 0.0, 0.0, 0.7621006678721315, -0.19811825043394005, -0.6228959218699007,
            -0.37522483807759566, -0.33554383091351697, -0.04560955005031121,
        ),
        delta=(
            0.0, 1.2629238766481143, 0.7574967189685912, 0.5163589453140728, -0.027463274218026097,
            -0.43826731781279443, 1.2735872946026565, -0.62947402839274, 0.0,
        ),
        beta=(
            0.2836343005184365, 0.9736500104654742, 0.33823592252425155, -0.35849436111061833,
            -0.004113944068471528, 1.4279688940485864, 0.01808470948394314, 0.1605770645946802,
            0.2952227015964592,
        ),
        c=(
            0.0, 0.2836343005184365, 0.5484076570002895, 0.3687228761669438, -0.6806126440140844,
            0.3518526124230706, 1.6659419948795933, 0.9715279295934716, 0.905156984015959,
        ),
        error=(
            0.020200567148121625, -0.0007110470862255846, -0.02341351123367267, -0.0013365087418096878,
            0.00045359090451467423, -0.036054284954901476, -0.004138435439976565, -0.0392991156465746,
            0.13385299364410866, -0.049554248593584385,
        ),
        error_order=3,
    )
    # fmt: on
