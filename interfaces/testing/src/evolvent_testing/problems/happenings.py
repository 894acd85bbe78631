"""Problems in which something happens: a ball that bounces, doses of a drug."""

from __future__ import annotations

import math

import numpy as np

import evolvent as ev

from ._reference import ReferenceProblem, reference_problem


@reference_problem
def bouncing_ball(xp):
    """A ball that is dropped and loses a fifth of its speed at each bounce; state (height, velocity)."""
    gravity, kept, height = 9.81, 0.8, 2.0
    fall = math.sqrt(2.0 * height / gravity)
    bounces = [fall]
    while len(bounces) < 4:
        bounces.append(bounces[-1] + 2.0 * fall * kept ** len(bounces))

    def exact(t):
        done = sum(t >= bounce for bounce in bounces)
        if done == 0:
            return np.array([height - 0.5 * gravity * t * t, -gravity * t])
        since, speed = t - bounces[done - 1], gravity * fall * kept**done
        return np.array([speed * since - 0.5 * gravity * since * since, speed - gravity * since])

    bounce = ev.Event(
        lambda t, y, p: y[0],
        lambda t, y, p: xp.stack([0.0 * y[0], -p["kept"] * y[1]]),
        direction=-1,
        name="bounce",
    )
    return ReferenceProblem(
        lambda t, y, p: [y[1], -p["gravity"] + 0.0 * y[0]],
        [height, 0.0],
        (0.0, 3.0),
        "elementary mechanics: parabolas between bounces",
        params={"gravity": gravity, "kept": kept},
        exact=exact,
        events=(bounce,),
        event_times=tuple(time for time in bounces if time < 3.0),
    )


@reference_problem
def dosing(xp):
    """One compartment with elimination of first order, and a dose every twelve hours."""
    rate, amount = 0.15, 10.0
    times = (12.0, 24.0, 36.0)

    def exact(t):
        return np.array([amount * sum(math.exp(-rate * (t - time)) for time in (0.0, *times) if t >= time)])

    return ReferenceProblem(
        lambda t, y, p: [-p["rate"] * y[0]],
        [amount],
        (0.0, 48.0),
        "J. Gabrielsson, D. Weiner, Pharmacokinetic and Pharmacodynamic Data Analysis, Swedish "
        "Pharmaceutical Press, "
        "2006, chapter 2",
        params={"rate": rate, "amount": amount},
        exact=exact,
        events=(ev.Dose(times, lambda t, y, p: y + p["amount"], name="dose"),),
        event_times=times,
    )
