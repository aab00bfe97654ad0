"""Histories: lives of thousands of cases, played through the custody rules, with planted breaches and an answer key.

``world`` has the agencies, ``life`` the writing of one case, ``acts`` the sentences it is told in; ``investigation``,
``review``, ``trial`` and ``sentence`` are the course of a criminal case, ``otherwise`` those of other cases. A course
keeps to the law and comes close to its limits. ``plants`` bends one for each rule of supervision, ``history`` puts all
together as a log would have them, ``reference`` finds what is broken by looking at each case alone, slowly.
"""
