"""Directives that read the registry: a table of a package's algorithms, and the docstring of each.

```{methods} evolvent-ode
```

```{method-classes} evolvent-ode
```
"""

from importlib.metadata import distribution

from sphinx.util.docutils import SphinxDirective

import evolvent as ev


def _jumps(method):
    """Whether a method is one for jump processes: it has no order."""
    return ev.JumpProblem in method.problem_types


# The first family that a method belongs to is its own.
FAMILIES = {
    "Leaping: many jumps in a step": lambda method: _jumps(method) and not method.exact,
    "Rates that vary between the jumps": lambda method: _jumps(method) and method.varying,
    "Exact, for rates that stay as they are between the jumps": lambda method: _jumps(method),
    "Stabilised, for large systems that are mildly stiff": lambda method: method.stabilised,
    "Implicit-explicit, for split problems": lambda method: method.implicit and getattr(method, "splits", False),
    "Implicit, for stiff problems": lambda method: method.implicit,
    "For second-order problems": lambda method: ev.ODEProblem not in method.problem_types,
    "For fixed steps": lambda method: not method.adaptive,
    "With control of the step size": lambda method: True,
}


def methods_of(package):
    """Load the algorithms that a distribution registers."""
    entries = distribution(package).entry_points.select(group="evolvent.algorithms")
    return [ev.load_algorithm(entry.name) for entry in entries]


def table(methods):
    """Write a table in Markdown, by order where methods have one."""
    if all(map(_jumps, methods)):
        return "\n".join(["| method | |", "|---|---|", *(f"| {_link(m)} | {_summary(m)} |" for m in methods)])
    lines = ["| method | order | dense output | |", "|---|---|---|---|"]
    for method in sorted(methods, key=lambda method: method.order):
        order = "variable" if isinstance(method.__dict__.get("order"), property) else method.order
        lines.append(f"| {_link(method)} | {order} | {method.dense_order} | {_summary(method)} |")
    return "\n".join(lines)


def _link(method):
    return f"{{py:obj}}`~{method.__module__.split('.')[0]}.{method.__name__}`"


def _summary(method):
    return (method.__doc__ or "").split("\n", 1)[0]


class Methods(SphinxDirective):
    """One table for each family of methods."""

    required_arguments = 1

    def run(self):
        families = {title: [] for title in FAMILIES}
        for method in methods_of(self.arguments[0]):
            families[next(title for title, belongs in FAMILIES.items() if belongs(method))].append(method)
        text = [f"**{title}**\n\n{table(methods)}\n" for title, methods in reversed(families.items()) if methods]
        return self.parse_text_to_nodes("\n".join(text))


class MethodClasses(SphinxDirective):
    """The documentation of every method, by name."""

    required_arguments = 1

    def run(self):
        names = sorted(f"{m.__module__.split('.')[0]}.{m.__name__}" for m in methods_of(self.arguments[0]))
        text = "\n".join(f".. autoclass:: {name}" for name in names)
        return self.parse_text_to_nodes(f"```{{eval-rst}}\n{text}\n```")


def setup(app):
    app.add_directive("method-classes", MethodClasses)
    app.add_directive("methods", Methods)
    return {"parallel_read_safe": True}
