"""The Heun-Euler pair holds what every algorithm must hold."""

from evolvent_example import HeunEuler

from evolvent_testing import AlgorithmConformance


class TestHeunEuler(AlgorithmConformance):
    algorithm = HeunEuler()
