"""The rules of procedure as data: moves, clocks, flags, jurisdiction, and the counting of days."""
