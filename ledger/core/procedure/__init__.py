"""The rules of procedure as data: what handovers move, clocks, flags, jurisdiction, and the counting of days."""
