"""Plants: courses that break one rule of supervision each, and nothing else that they can help."""

from scripts.histories.plants import persons, sequence, things
from scripts.histories.plants.catalogue import PLANTS, Plant

__all__ = ["PLANTS", "Plant", "persons", "sequence", "things"]
