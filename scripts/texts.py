"""Bring the catalogues of texts in line with the code: what is new is added untranslated, what is gone is removed.

Texts are Messages and labels (docs/decisions/0023). The labels of vocabularies are kept as they are: they stand in the
catalogues alone, each under its vocabulary as context.
"""

from __future__ import annotations

import argparse
import ast
import sys
from collections.abc import Iterator
from inspect import cleandoc
from io import BytesIO
from pathlib import Path

import click
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po, write_po
from jinja2 import Environment, nodes

from ledger.cli.main import tally

ROOT = Path(__file__).resolve().parent.parent
LOCALES = ROOT / "ledger" / "i18n" / "locale"
PLACES = ("ledger", "api")
# What click says in help around the texts of commands.
OF_CLICK = ("Usage: ", "Options", "Commands", "required", "default")
HEADER = """# Texts of Tallystick. Contexts are vocabularies of labels.
msgid ""
msgstr ""
"Language: {locale}\\n"
"Plural-Forms: {plural_forms};\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n\""""
# Functions by name, and the place of the text among their arguments.
TEXT_AT = {"_": 0, "texts": 0, "later": 0, "told_as": 0}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--add", metavar="LOCALE", help="begin a catalogue of another language, such as fr")
    arguments = parser.parse_args()
    if arguments.add:
        write(Catalog(locale=arguments.add, fuzzy=False), arguments.add)
    for file in LOCALES.glob("*/LC_MESSAGES/tallystick.po"):
        locale = file.parent.parent.name
        write(updated(catalogue(locale)), locale)
    return 0


def catalogue(locale: str) -> Catalog:
    """Read the catalogue of a locale."""
    with path_of(locale).open("rb") as file:
        return read_po(file, locale)


def path_of(locale: str) -> Path:
    return LOCALES / locale / "LC_MESSAGES" / "tallystick.po"


def updated(old: Catalog) -> Catalog:
    """Return the catalogue with its labels, and with the messages of the code; English needs none."""
    new = Catalog(locale=old.locale, fuzzy=False)
    for entry in old:
        if entry.context:
            new.add(entry.id, entry.string, context=entry.context)
    for text in messages() if str(old.locale) != "en" else ():
        translated = old.get(text)
        new.add(text, translated.string if translated else "")
    return new


def messages() -> set[str]:
    """Return the message ids of code, templates and help."""
    return {*OF_CLICK, *(text for _, text in (*in_code(), *in_templates(), *in_help(tally)))} - {""}


def in_code() -> Iterator[tuple[str, str]]:
    """Yield place and message id of each text that Python code says."""
    for folder in PLACES:
        for file in sorted((ROOT / folder).rglob("*.py")):
            for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(call, ast.Call):
                    at = TEXT_AT.get(getattr(call.func, "id", ""), len(call.args))
                    for argument in call.args[at : at + 1]:
                        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                            yield f"{file.relative_to(ROOT)}:{call.lineno}", argument.value


def in_templates() -> Iterator[tuple[str, str]]:
    """Yield place and message id of each text of a page's template."""
    for file in sorted((ROOT / "api").rglob("*.html")):
        for call in Environment(autoescape=True).parse(file.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in TEXT_AT:
                place = f"{file.relative_to(ROOT)}:{call.lineno}"
                for argument in call.args[:1]:
                    constants = [argument] if isinstance(argument, nodes.Const) else argument.find_all(nodes.Const)
                    yield from ((place, constant.value) for constant in constants)


def in_help(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield place and each paragraph of the help of a command, its options, and the commands below it."""
    context = click.Context(command)
    name = command.name or "tally"
    texts = [cleandoc(command.help or ""), command.epilog or ""]
    texts += [option.help or "" for option in command.get_params(context) if isinstance(option, click.Option)]
    yield from ((name, part.removeprefix("\b\n")) for text in texts for part in text.split("\n\n"))
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            inner = command.get_command(context, below)
            assert inner is not None
            yield from in_help(inner)


def write(catalogue: Catalog, locale: str) -> None:
    """Write the catalogue of a locale by context and message id, under the header that it has."""
    path = path_of(locale)
    header = (
        path.read_text(encoding="utf-8").partition("\n\n")[0]
        if path.exists()
        else HEADER.format(locale=locale, plural_forms=catalogue.plural_forms)
    )
    ordered = Catalog(locale=locale, fuzzy=False)
    for entry in sorted(catalogue, key=lambda entry: (entry.context or "", str(entry.id))):
        ordered.add(entry.id, entry.string, context=entry.context)
    text = BytesIO()
    write_po(text, ordered, width=0, omit_header=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{header}\n\n{text.getvalue().decode().rstrip()}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
