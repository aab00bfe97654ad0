"""Stands in for the package that eth_account asks for two numbers: computing its curves takes longer than most tests.

It also raises the limit of recursion to 100,000, where a deeply nested JSON body overflows the C stack and kills the
process. The product imports neither.
"""
