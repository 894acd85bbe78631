"""What any algorithm for initial value problems must hold, as tests that a plugin inherits."""

from ._accuracy import Accuracy
from ._arrays import Arrays
from ._derivatives import Derivatives
from ._failures import Failures
from ._saving import Saving
from ._value import Value

__all__ = ["AlgorithmConformance"]


class AlgorithmConformance(Value, Accuracy, Saving, Arrays, Derivatives, Failures):
    """The tests of one algorithm, on every array library that is installed.

    Inherit, name the algorithm, and let pytest collect the class::

        from evolvent_testing import AlgorithmConformance


        class TestMyMethod(AlgorithmConformance):
            algorithm = MyMethod()

    Attributes
    ----------
    algorithm : Algorithm
        The value to test.
    order_tolerance : float
        How far the measured order may lie below the claimed one.
    order_excess : float
        How far it may lie above: a method with a leading error term too small to be seen among double
        precision's rounding errors looks better than it is. Say so where you raise it.
    tolerance_factor : float
        How many times the tolerance the error at the end may be, on easy problems.
    tolerances : tuple of float
        At which tolerances that is looked at; those usual for the method's order when empty.
    rounding_factor : float
        How many times more than usual single precision may disagree between array libraries: large coefficients
        of opposite signs amplify rounding errors.
    complex_state : bool
        Whether the method takes complex states.
    """
