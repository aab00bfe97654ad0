"""Generated histories: thousands of cases, played through the custody rules, with planted breaches and an answer key.

``simulation`` has the writing of one case: the acts of ``ledger.samples.case_acts``, and what chance needs beside them.
The course of a case is in ``courses``; it keeps to the law and comes close to its limits. ``plants`` bends one course
for each rule of supervision, ``history`` puts all together as a log would have them, ``reference`` finds what is broken
by looking at each case alone, slowly, and ``measure`` compares the shipped models with it.
"""
