"""Ranocha, Dalcin, Parsani and Ketcheson's third-order pair in few registers."""

from __future__ import annotations

from dataclasses import dataclass

from ._low_storage import LowStorage, ThreeRegisters


@dataclass(frozen=True)
class RDPK3SpFSAL35(LowStorage):
    """The third-order pair made for compressible flow by spectral elements, in few registers.

    Order 3, five evaluations of f a step (first same as last), four arrays; the error estimate and the PID
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
    >>> round(float(ev.solve(decay, "RDPK3SpFSAL35", rtol=1e-7, atol=1e-7).y[-1, 0]), 5)
    0.36788
    """

    controller = (0.7, -0.23, 0.0)
    # fmt: off
    scheme = ThreeRegisters(
        order=3,
        gamma1=(1.0, 0.2587771979725733, -0.13243803601407234, 0.05056033948190826, 0.5670532000739313),
        gamma2=(0.0, 0.552835490930139, 0.6731871608203062, 0.28031039632976723, 0.552152544702061),
        gamma3=(0.0, 0.0, 0.0, 0.2752563273304676, -0.8950526174674034),
        delta=(0.0, 0.3407655879334525, 0.3414382655003386, 0.7229275366787987, 0.0),
        beta=(
            0.23002986245180762, 0.30214341669482886, 0.8025606185416311, 0.4362158943603441,
            0.11292725304550591,
        ),
        c=(0.0, 0.23002986245180762, 0.4050046072094991, 0.8947822893693433, 0.7235136928826589),
        error=(
            0.019951930051997083, -0.08330270541190223, 0.035762783592424595, 0.07555593806212726,
            0.05410810882394851, -0.10207605511859524,
        ),
        error_order=2,
    )
    # fmt: on
