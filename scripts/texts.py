"""Bring the catalogues of texts in line with the code: what is new is added untranslated, what is gone is removed.

Texts are Messages and labels (docs/decisions/0030). The labels of vocabularies are kept as they are: they stand in the
catalogues alone, each under its vocabulary as context. The reasons of the verifier in the browser have a context, too,
by which its page is given them.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
# What click and the system say.
OF_OTHERS: tuple[str | tuple[str, str], ...] = (
    *("Usage: ", "Options", "Commands", "required", "default: {default}", "file", "directory", "path"),
    *("No such option {name!r}.", "No such command {name!r}.", "Missing command."),
    *("Missing option", "Missing argument"),
    *("Choose from:\n\t{choices}", "Invalid value: {message}", "Invalid value for {param_hint}: {message}"),
    *("{value!r} is not a valid {number_type}.", "{value} is not in the range {range}."),
    "{value!r} is not a valid boolean. Recognized values: {states}",
    *(f"{{name}} {{filename!r}} {fault}." for fault in ("does not exist", "is a file", "is a directory")),
    *(f"{{name}} {{filename!r}} {fault}." for fault in ("is not readable", "is not writable")),
    *("Could not open file {filename!r}: {message}", "Option {name!r} does not take a value."),
    ("Did you mean {possibility}?", "(Did you mean one of: {possibilities}?)"),
    "Show this message and exit.",
    ("Got unexpected extra argument ({args})", "Got unexpected extra arguments ({args})"),
    ("Option {name!r} requires an argument.", "Option {name!r} requires {nargs} arguments."),
    ("{value!r} is not {choice}.", "{value!r} is not one of {choices}."),
    *("No such file or directory", "Permission denied", "Is a directory", "Not a directory"),
)
HEADER = """# Texts of Tallystick. Contexts are vocabularies of labels.
msgid ""
msgstr ""
"Language: {locale}\\n"
"Plural-Forms: {plural_forms};\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n\""""
# Functions by name, and the place of the text among their arguments; errors have it first.
TEXT_AT = {"Message": 0, "_": 0, "texts": 0, "later": 0, "told_as": 0, "refuse": 1, "Refused": 1, "refuse_file": 0}
TEXT_AT |= dict.fromkeys((f"session.{to}{how}" for to in ("", "output.") for how in ("note", "done", "warn")), 0)
TEXT_AT |= {"text": 1, "LogFault": 1, "CellRefused": 2, "NotChecked": 0, "Misread": 0, "Statement": 1}
# The context of what the verifier in the browser says, and the calls in its code that say it.
VERIFIER = "verifier"
REASON = re.compile(r'\b(?:reason|refuse|lack|unshown)\(("(?:[^"\\]|\\.)*"|`)')
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
LEAVES = (ast.Name, ast.Constant, ast.expr_context, ast.operator, ast.cmpop)
TELLING = (ast.Call, ast.Assign, ast.AnnAssign, ast.ImportFrom)
NOT_ERRORS = ("ModelRefused", "QueryRefused", "RpcRefused", "OtherContracts", "OtherSize", "RootMismatch", "Moved")


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
        if entry.context not in (None, VERIFIER):
            new.add(entry.id, entry.string, context=entry.context)
    of_code = ((None, messages()), (VERIFIER, in_verifier())) if str(old.locale) != "en" else ()
    for context, texts in of_code:
        for text in texts:
            translated = old.get(text, context)
            string = translated.string if translated else ("",) if isinstance(text, tuple) else ""
            new.add(text, string, context=context)
    return new


def messages() -> set[str | tuple[str, str]]:
    """Return the message ids of code, templates and help; those with a plural are pairs."""
    return {*OF_OTHERS, *(text for _, text in (*in_code(), *in_templates(), *in_help(tally)))} - {""}


def in_code() -> Iterator[tuple[str, str]]:
    """Yield place and message id of each text that Python code says: of messages, errors, and all hints."""
    files = [file for folder in PLACES for file in sorted((ROOT / folder).rglob("*.py"))]
    trees = {file: ast.parse(file.read_text(encoding="utf-8")) for file in files}
    text_at = dict.fromkeys(_errors(trees.values()), 0) | TEXT_AT
    constants = {
        ".".join(file.relative_to(ROOT).with_suffix("").parts): _bound(tree.body) for file, tree in trees.items()
    }
    for file, tree in trees.items():
        scopes = list(_scopes(tree))
        outer = _bound(tree.body)
        for node in (node for scope in scopes for node in scope if isinstance(node, ast.ImportFrom)):
            of_module = constants.get(node.module or "", {})
            outer |= {alias.name: of_module[alias.name] for alias in node.names if alias.name in of_module}
        for scope in scopes:
            names = outer | _bound(scope)
            for place, argument in _texts_in(scope, text_at):
                yield from ((f"{file.relative_to(ROOT)}:{place}", text) for text in _constants(argument, names))


def _scopes(tree: ast.Module) -> Iterator[list[ast.AST]]:
    """Yield what tells of texts in the module and in each function, without that of the functions in it."""
    scopes: list[ast.AST] = [tree]
    while scopes:
        scope: list[ast.AST] = []
        inner = [scopes.pop()]
        while inner:
            # Of a million nodes most are leaves.
            for node in [each for each in ast.iter_child_nodes(inner.pop()) if not isinstance(each, LEAVES)]:
                if isinstance(node, TELLING):
                    scope.append(node)
                (scopes if isinstance(node, FUNCTIONS) else inner).append(node)
        yield scope


def _texts_in(nodes: Iterable[ast.AST], text_at: Mapping[str, int]) -> Iterator[tuple[int, ast.expr]]:
    """Yield line and expression of each text: at its place in a call, of a ``hint=``, or put into ``error.hint``."""
    for node in nodes:
        if isinstance(node, ast.Call):
            # Forms of texts are described by ``text``, which some modules take from ``terms``.
            name = getattr(node.func, "id", "") or ast.unparse(node.func).removeprefix("terms.")
            at = text_at.get(name, len(node.args))
            hints = [keyword.value for keyword in node.keywords if keyword.arg == "hint"]
            yield from ((node.lineno, argument) for argument in (*node.args[at : at + 1], *hints))
        elif isinstance(node, ast.Assign) and any(getattr(target, "attr", "") == "hint" for target in node.targets):
            yield node.lineno, node.value


def _bound(nodes: Iterable[ast.AST]) -> dict[str, list[ast.expr]]:
    """Return what is bound to each name by the assignments among these nodes."""
    bound: dict[str, list[ast.expr]] = {}
    for node in nodes:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    bound.setdefault(target.id, []).append(node.value)
    return bound


def _errors(trees: Iterable[ast.Module]) -> set[str]:
    """Return the names of the classes of errors, whose first argument is the text."""
    bases = {
        node.name: {getattr(base, "id", "") for base in node.bases}
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.ClassDef)
    }
    errors = {"TallystickError"}
    while more := {name for name, above in bases.items() if above & errors} - errors:
        errors |= more
    return errors - {*NOT_ERRORS}


def _constants(argument: ast.expr, names: Mapping[str, Sequence[ast.expr]]) -> Iterator[str]:
    """Yield the constants that an argument can be. Refuse what is rendered before it can be translated."""
    if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
        yield argument.value
    elif isinstance(argument, ast.IfExp):
        yield from (*_constants(argument.body, names), *_constants(argument.orelse, names))
    elif isinstance(argument, ast.BoolOp):
        for value in argument.values:
            yield from _constants(value, names)
    elif isinstance(argument, ast.Name):
        for value in names.get(argument.id, ()):
            yield from _constants(value, {})
    elif isinstance(argument, ast.JoinedStr) and any(map(_has_words, argument.values)):
        raise TypeError(f"write a Message, which can be translated, for {ast.unparse(argument)}")


def _has_words(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and any(map(str.isalpha, str(part.value)))


def in_templates() -> Iterator[tuple[str, str]]:
    """Yield place and message id of each text of a page's template."""
    for file in sorted((ROOT / "api").rglob("*.html")):
        for call in Environment(autoescape=True).parse(file.read_text(encoding="utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name in TEXT_AT:
                place = f"{file.relative_to(ROOT)}:{call.lineno}"
                for argument in call.args[:1]:
                    constants = [argument] if isinstance(argument, nodes.Const) else argument.find_all(nodes.Const)
                    yield from ((place, constant.value) for constant in constants)


def in_verifier() -> set[str]:
    """Return the ids of what the verifier in the browser says."""
    ids = set()
    for file in (ROOT / "api" / "console" / "verify" / "verifier").glob("*.js"):
        for text in REASON.findall(file.read_text(encoding="utf-8")):
            if text == "`":
                raise TypeError(f"{file.name}: write an id with slots, which can be translated, for a template")
            ids.add(json.loads(text))
    return ids


def in_help(command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield place and each paragraph of the help of a command, its options, and the commands below it."""
    context = click.Context(command)
    name = command.name or "tally"
    texts = [cleandoc(command.help or ""), command.epilog or ""]
    texts += [option.help or "" for option in command.params if isinstance(option, click.Option)]
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
