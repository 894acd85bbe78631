"""Derivatives go through an algorithm's solve."""

from __future__ import annotations

import numpy as np

from ._setting import Setting, leaves


class Derivatives(Setting):
    """Claims about jit, grad and vmap under JAX, and autograd under PyTorch."""

    def _loss(self, xp, like):
        """Return ``loss(scales)``, a function of the state at the end; the scales multiply the parameters."""
        given = self.reference(xp)
        names = sorted(given.params)
        options = {**self._stepping(), "saveat": "end"}

        def solve(scales):
            params = {name: given.params[name] * scales[i % 2] for i, name in enumerate(names)}
            return self.solve(given.problem(t_span=(0.0, 1.5), params=params), **options)

        def loss(scales):
            ends = [xp.sum(leaf[-1, ...] ** 2) for leaf in leaves(solve(scales).y)]
            return ends[0] if len(ends) == 1 else ends[0] + ends[1]

        return loss, like([1.05, 0.95])

    @property
    def _adaptive(self):
        return self.algorithm.adaptive and self.algorithm.order > 3

    def _stepping(self):
        # Tolerances tight enough for differences cost a method of low order too many steps.
        return {"rtol": 1e-9, "atol": 1e-9} if self._adaptive else {"dt": 0.05, "adaptive": False}

    def _differences(self):
        loss, scales = self._loss(np, np.asarray)
        # An adaptive solve jumps by its tolerance where a step is rejected: a wide difference feels that
        # less.
        width = 1e-3 if self._adaptive else 1e-5
        return np.asarray([(loss(scales + step) - loss(scales - step)) / (2.0 * width) for step in width * np.eye(2)])

    def _close(self, gradient):
        # The steps that an adaptive method takes vary with the parameters, and derivatives don't follow them.
        np.testing.assert_allclose(
            gradient, self._differences(), rtol=2e-4 if self._adaptive or self.algorithm.implicit else 1e-6
        )

    def test_jax_jit_and_grad(self, jax):
        """Under JAX the gradient of a compiled solve agrees with central differences."""
        loss, scales = self._loss(jax.numpy, jax.numpy.asarray)
        value, gradient = jax.jit(jax.value_and_grad(loss))(scales)
        np.testing.assert_allclose(float(value), float(self._loss(np, np.asarray)[0](np.asarray(scales))), rtol=1e-8)
        self._close(np.asarray(gradient))

    def test_jax_vmap(self, jax):
        """Under JAX a mapped solve gives what the solves one by one give."""
        loss, scales = self._loss(jax.numpy, jax.numpy.asarray)
        factors = np.asarray([0.7, 1.0, 1.2])
        mapped = jax.vmap(lambda factor: loss(factor * scales))(jax.numpy.asarray(factors))
        alone, start = self._loss(np, np.asarray)
        np.testing.assert_allclose(np.asarray(mapped), [alone(factor * start) for factor in factors], rtol=1e-8)

    def test_torch_autograd(self, torch):
        """Under PyTorch the gradient that goes back through the steps agrees with central differences."""
        import array_api_compat.torch as xp

        loss, scales = self._loss(xp, lambda values: torch.tensor(values, dtype=torch.float64, requires_grad=True))
        loss(scales).backward()
        self._close(scales.grad.numpy())
