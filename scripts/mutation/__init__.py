"""How many faults put into the core are noticed by its tests; cosmic-ray puts them in."""
