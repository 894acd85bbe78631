"""The chooser of methods for jump processes."""

from evolvent import hookimpl


@hookimpl
def evolvent_choose(problem, options, backend):
    from ._chooser import choose

    return choose(problem, options, backend)
