"""Models: small files in which prosecutors say what is to be looked for, why, and what must then be checked.

yaml_document.py  plain YAML with the line of each part, each part of its type
definition.py     a model as values: its parts, its parameters, what its leads say
conditions.py     conditions on one row (CEL), and every condition as a query
templates.py      conditions as forms to fill in (templates.toml), and their SQL
sql_guard.py      what a query may name (functions.toml)
model_file.py     the whole file: ``parse_model``, ``require_publishable``, its examples, the shipped models
editing.py        drafts, and changes that keep the author's layout
"""
