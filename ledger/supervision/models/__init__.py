"""Models: small files in which prosecutors say what is to be looked for, why, and what must then be checked.

document.py    plain YAML with the line of each part
shape.py       every part there, each of its type
parse.py       the whole file: ``parse_model``, ``require_publishable``
forms.py       templates and their fields, as data (templates.toml); filters.py what `where` asks
templates.py   templates as SQL
cel.py         conditions on one row; query.py conditions as what a session is asked
examples.py    rows that must and must not raise a lead
shipped.py     the models that come with this version
"""
