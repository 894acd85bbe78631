"""For authors of drivers and backends: right sides that were compiled elsewhere."""

from ._compiled import ByAddress, InPlace, adapted, is_compiled, is_dispatcher

__all__ = ["ByAddress", "InPlace", "adapted", "is_compiled", "is_dispatcher"]
