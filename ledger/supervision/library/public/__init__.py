"""Public: the library as society sees it - what is looked for and why, what came of it, exemplary cases.

Static pages in Chinese and English that need no script and nothing from outside. The same record gives the same bytes.
"""
