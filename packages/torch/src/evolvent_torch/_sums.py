"""The sums that steps are made of, ``y + dt * sum(weights[i] * ks[i])``, in few calls of torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ._transforms import transforming

SMALL = 8192  # entries up to which a call of torch costs more than copying the stages into one matrix
KEPT = 256  # rows of weights


class WeightedSums:
    """Combines states, and remembers the rows of weights that come back as tensors.

    A sum of many small states is one matrix times a vector: three calls, however many stages there are. Large
    states are added one after the other, which copies nothing. On an accelerator, weights that are new (those
    of dense output) don't become a tensor: the host would wait for that copy.

    Parameters
    ----------
    device : torch.device
        Where the states lie.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.copies_wait = device.type != "cpu"
        self._rows: dict[Any, Any] = {}

    def combine(self, y, dt, weights: Sequence[Any], ks: Sequence[torch.Tensor]) -> torch.Tensor:
        """Compute ``y + dt * sum(weights[i] * ks[i])``, with y left out when None."""
        if len(weights) > 2 and ks[0].numel() <= SMALL:
            key = (tuple(weights[: len(ks)]), ks[0].dtype)
            row = self._rows.get(key)
            if row is None:
                row = self._new_row(key)
            if row:
                return _product(y, dt, row, ks)
        return self._added(y, dt, weights, ks)

    def _new_row(self, key: Any) -> Any:
        """Make a tensor of the weights that are not zero, with their places; nothing where adding is best."""
        weights, dtype = key
        if len(self._rows) >= KEPT:
            self._rows.clear()
        places = [i for i, weight in enumerate(weights) if weight != 0.0]
        row: Any = None
        if len(places) <= 2:
            row = ()
        elif not self.copies_wait or key in self._rows:
            # A compiled problem keeps the row, and may meet autograd after a solve without.
            with torch.inference_mode(False):
                tensor = torch.tensor([weights[i] for i in places], dtype=dtype, device=self.device)
            row = (tensor, None if places == list(range(len(places))) else places)
        self._rows[key] = row
        return row

    def _added(self, y, dt, weights, ks):
        total, own = y, False
        for weight, k in zip(weights, ks, strict=False):
            if weight == 0.0:
                continue
            if total is None:
                total, own = k * (weight * dt), True
            elif own and not transforming():
                # Nobody else has seen this sum, and autograd wants nothing of it. Transformations mix wrapped
                # tensors with plain ones, which can't take them in.
                total.add_(k, alpha=weight * dt)
            else:
                total, own = torch.add(total, k, alpha=weight * dt), True
        return torch.zeros_like(ks[0]) if total is None else total


def _product(y, dt, row, ks):
    weights, places = row
    count = weights.shape[0]
    stages = torch.stack(ks[:count] if places is None else [ks[i] for i in places])
    if stages.ndim == 2:
        return _on_vector(y, dt, weights, stages)
    vector = None if y is None else y.reshape(-1)
    return _on_vector(vector, dt, weights, stages.reshape(count, -1)).reshape(stages.shape[1:])


def _on_vector(y, dt, weights, stages):
    return torch.mv(stages.mT, weights * dt) if y is None else torch.addmv(y, stages.mT, weights, alpha=dt)
