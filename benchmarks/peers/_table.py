"""What the reader sees: one table per case, and the same figures as CSV."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path


@dataclass(frozen=True)
class Row:
    """A line of the table; times in seconds."""

    case: str
    peer: str
    tolerance: float
    first: float
    steady: float
    error: float
    ratio: float
    ratio_at_equal_error: float
    extrapolated: bool
    ratio_at_baselines_error: float
    extrapolated_to_baseline: bool


def seconds(value: float) -> str:
    """A duration with three digits and its unit."""
    if math.isnan(value):
        return "-"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if value >= size or unit == "us":
            return f"{value / size:.3g} {unit}" if value < 100 * size else f"{value / size:.0f} {unit}"
    raise AssertionError


def times(value: float, uncertain: bool = False) -> str:
    """A ratio, marked when it rests on an extrapolation."""
    if math.isnan(value):
        return "-"
    if value < 0.1:
        return f"{'~' if uncertain else ''}{value:.2g}"
    digits = 2 if value < 10 else 1 if value < 100 else 0
    return f"{'~' if uncertain else ''}{value:,.{digits}f}"


def text(rows: list[Row], baseline: str) -> str:
    """The rows as an aligned table."""
    header = ("peer", "first", "steady", "error", f"x {baseline}", "at equal error", "at baseline's error")
    lines = [
        (
            row.peer,
            seconds(row.first),
            seconds(row.steady),
            f"{row.error:.1e}",
            times(row.ratio),
            times(row.ratio_at_equal_error, row.extrapolated),
            times(row.ratio_at_baselines_error, row.extrapolated_to_baseline),
        )
        for row in rows
    ]
    return aligned([header, *lines])


def best_of(rows: list[Row], beginning: str) -> str:
    """The quickest to the baseline's error among those whose names begin so, in a sentence; empty without any."""
    found = [row for row in rows if row.peer.startswith(beginning) and row.ratio_at_baselines_error > 0.0]
    if not found:
        return ""
    best = min(found, key=lambda row: row.ratio_at_baselines_error)
    ratio = times(best.ratio_at_baselines_error, best.extrapolated_to_baseline)
    return f"quickest of {beginning} to the baseline's error: {best.peer}, {ratio} times the baseline's time"


def aligned(lines: Sequence[tuple[str, ...]]) -> str:
    """A header and its lines in columns, the first of them on the left, a rule between."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]

    def line(cells: tuple[str, ...]) -> str:
        rest = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
        return "  ".join([cells[0].ljust(widths[0]), *rest])

    return "\n".join([line(lines[0]), "  ".join("-" * width for width in widths), *map(line, lines[1:])])


def write_csv(path: Path, rows: list[Row]) -> None:
    """All rows of all cases, with the sweeps that the table leaves out."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in fields(Row)])
        writer.writerows(map(astuple, rows))
