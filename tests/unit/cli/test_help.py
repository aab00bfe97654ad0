"""Help in the language of whoever asks."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from ledger.acts import HEADINGS
from ledger.cli.command import EXAMPLES, Formatter, shell_lines, wrap
from ledger.cli.main import COMMANDS
from ledger.cli.main import tally as group
from ledger.cli.output import columns_of
from tests.docs.test_cited_in_docs import misnamed
from tests.testkit.tally import Tally


@pytest.mark.parametrize(
    "way", [("--lang", "zh-CN", "key", "grant", "--help"), ("key", "grant", "--lang", "zh-CN", "--help")]
)
def test_help_is_chinese_where_that_is_asked_for(tally: Tally, way: tuple[str, ...]) -> None:
    """Headings, texts, options and what click says of them; words of the command line stay as they are typed."""
    out = tally(*way).out
    assert out.startswith("用法：tally key grant [OPTIONS] KEY\n")
    assert "\n  以机关管理员身份为本机关人员的密钥授权。日志收录后生效。\n" in out
    assert "--until TIME" in out
    assert "自何时起不得再签名。  [必填]" in out
    assert "显示本帮助。" in out
    assert "[默认: tallystick-data]" in tally("init", "--lang", "zh-CN", "--help").out
    assert tally("--lang", "zh-CN", "--help").out.count("  1  已被篡改，或被拒绝\n") == 1


def test_lists_tell_whole_sentences(tally: Tally) -> None:
    """A command's line in a list breaks instead of ending in dots, in both languages."""
    assert "..." not in tally("recommendation", "--help").out.partition("\nActs: ")[2]
    commands = tally("--lang", "zh-CN", "recommendation", "--help").out.partition("\n办理事项")[2]
    whole = "登记检察建议的收到时间（由被建议单位登记，或者由制发机关凭回执登记）。"
    assert whole in commands.replace("\n", "").replace(" ", "")


def test_chinese_help_keeps_to_the_terminal(tally: Tally) -> None:
    """A Chinese character is counted as the two columns that it takes."""
    for path in (("--help",), ("handover", "accept", "--help"), ("init", "--help")):
        lines = tally("--lang", "zh-CN", *path).out.partition("退出码")[0].splitlines()
        assert 70 < max(map(columns_of, lines)) <= 80


def test_a_term_that_is_too_wide_stands_above_its_text() -> None:
    """Texts begin in one column. Words stay whole, no line begins with a closing mark, and a word that is too wide has
    its own."""
    formatter = Formatter("zh-CN", width=20)
    formatter.write_dl([("--ground", "Until when."), ("--much-too-wide", "Until when.")], col_max=10)
    assert formatter.getvalue() == "--ground    期限。\n--much-too-wide\n            期限。\n"
    assert wrap("保管自此转移。见 handover_id", 8) == ["保管自此", "转移。见", "handover_id"]
    assert wrap("一二三，四", 6) == ["一二", "三，四"]
    assert wrap("", 8) == [""]


def test_every_option_says_what_it_is() -> None:
    """No option is without a word of help, by its command or by what it means everywhere."""

    def silent(command: click.Command, path: str) -> Iterator[str]:
        context = click.Context(command)
        for parameter in command.params:
            if isinstance(parameter, click.Option) and not parameter.help:
                yield f"{path} {parameter.opts[0]}"
        for name in command.list_commands(context) if isinstance(command, click.Group) else ():
            inner = command.get_command(context, name)
            assert inner is not None
            yield from silent(inner, f"{path} {name}")

    assert list(silent(group, "tally")) == []


def options_of(command: click.Command, path: str = "") -> Iterator[tuple[str, click.Option]]:
    """Yield every option with the words of its command."""
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            yield path, parameter
    for name in command.list_commands(click.Context(command)) if isinstance(command, click.Group) else ():
        inner = command.get_command(click.Context(command), name)
        assert inner is not None
        yield from options_of(inner, f"{path} {name}".strip())


ALIKE = (
    *("--as-of", "--identity-key", "--key-dir", "--ledger", "--passphrase-env", "--passphrase-file", "--replace"),
    *("--same-number", "--version", "--yes"),
)
OTHERWISE = (("", "--version"), ("procedure list", "--ledger"))


def test_an_option_reads_the_same_everywhere() -> None:
    """What means the same is told in the same words, and no text is the rest of a sentence that nobody began."""
    texts: dict[str, set[str]] = {}
    for path, option in options_of(group):
        name, text = option.opts[0], option.help or ""
        assert not text.startswith(("Of ", "[", "Likewise")), f"{path} {name}: {text}"
        if name in ALIKE and (path, name) not in OTHERWISE:
            texts.setdefault(name, set()).add(text)
        if name == "--trust":
            assert "he ledger's trust file" in text, path
    assert {name: wordings for name, wordings in texts.items() if len(wordings) > 1} == {}


def test_every_example_is_a_command_that_stands_in_its_own_help(tally: Tally) -> None:
    """Examples name commands and options that there are, of the command whose help they close, in both languages."""
    for of, examples in EXAMPLES.items():
        for example in examples:
            words = shlex.split(example)[1:]
            assert misnamed(words) == "", example
            acts = [word for word, before in zip(words, ["", *words], strict=False) if before != "--profile"]
            assert " ".join(word for word in acts if word != "--profile").startswith(of), example
            for line in shell_lines(example, 60):
                assert len(line) <= 60 or len(line.split()) <= 3, line
            assert shlex.split("\n".join(shell_lines(example, 60)).replace("\\\n", "")) == shlex.split(example)
    for language, heading in (("en", "Examples:"), ("zh-CN", "示例:")):
        out = tally("--lang", language, "proof", "check", "--help").out
        assert f"{heading}\n  tally proof check case-1.json --trust trust.json\n" in out


@pytest.mark.parametrize("example", [example for examples in EXAMPLES.values() for example in examples])
def test_what_an_example_gives_is_taken(example: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each value of an option, such as a role, is one that its command takes."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "photos").mkdir()
    words = shlex.split(example)
    for word in words:
        file = tmp_path / (word.partition("=")[2] or word)
        if "." in word and not word.startswith(("-", "http")):
            file.parent.mkdir(exist_ok=True)
            file.touch()
    command: click.Command = group
    context = command.make_context(words[0], words[1:])
    while isinstance(command, click.Group):
        words = [*context._protected_args, *context.args]
        inner = command.get_command(context, words[0])
        assert inner is not None
        command, context = inner, inner.make_context(words[0], words[1:], context)


def test_commands_stand_under_headings(tally: Tally) -> None:
    """Each command of ``tally`` once, under what it is for; within a group those that sign first, in both languages."""
    listed = [name for _, names in HEADINGS for name in names]
    assert sorted(listed) == sorted(COMMANDS)
    out = tally("--help").out
    assert all(f"\n{heading}:\n" in out for heading, _ in HEADINGS)
    signed, _, read = tally("--lang", "zh-CN", "handover", "--help").out.partition("\n查阅、核对与准备")
    assert ("\n  accept " in signed, "\n  inbox " in signed, "\n  inbox " in read) == (True, False, True)
    assert "\nCommands:\n" in tally("access", "--help").out
