"""Words are labelled by the procedures in force, of the case that is shown first, and else by those that ship."""

from __future__ import annotations

from contextvars import copy_context

from ledger.core.procedure.package import read_package
from ledger.core.procedure.rulebook import Rulebook
from ledger.i18n import PROCEDURES_IN_USE, Labels, label_first_by, words_in_use
from ledger.procedures import shipped_package, shipped_rulebook

ENGLISH, CHINESE = Labels("en"), Labels("zh-CN")


def package(languages: str, analysis: str) -> Rulebook:
    """Return the package ``evidence`` with one purpose, clock and law more, in these languages."""
    files = shipped_package("evidence")
    del files["papers.toml"]  # papers are not labels of words
    labels = ", ".join(f'{language} = "{analysis}"' for language in languages.split())
    words = (
        files["procedure.toml"]
        .decode()
        .replace(
            "[purposes]\n",
            f'[purposes]\nanalysis = {{ label = {{ {labels} }}, moves = "custody", article = "rule 3" }}\n',
        )
    )
    clock = (
        f'\n[[clocks]]\nname = "report"\narticle = "rule 4"\nvalid_from = "2026-01-01"\nlabel = {{ {labels} }}\n'
        'per = "case"\nstarts = ["received.analysis"]\nbases = [{ period = "3 d" }]\n[[clocks.extensions]]\n'
        f'name = "complex"\narticle = "rule 4"\nadds = "2 d"\nlabel = {{ {labels} }}\n'
    )
    one_language = {"procedure.toml": words.encode(), "clocks.toml": files["clocks.toml"] + clock.encode()}
    return read_package(
        files | {name: _only(languages, data) for name, data in one_language.items()} | _unchanged(languages)
    )


def _only(languages: str, data: bytes) -> bytes:
    if "zh" in languages:
        return data
    text = data.decode().replace('languages = ["en", "zh"]', 'languages = ["en"]')
    return "\n".join(
        line.split(', zh = "')[0] + line.split(', zh = "')[1].split('"', 1)[1] if ', zh = "' in line else line
        for line in text.splitlines()
    ).encode()


def _unchanged(languages: str) -> dict[str, bytes]:
    files = shipped_package("evidence")
    return {name: _only(languages, files[name]) for name in ("flags.toml", "units.toml")}


def test_words_of_all_packages_that_ship_have_labels() -> None:
    """The procedure in use goes first; a word that none has keeps its spelling."""
    assert CHINESE.find("purpose", "prosecution_review") == "移送审查起诉"
    assert CHINESE.find("purpose", "deposit") == "入库保管"
    assert CHINESE.of_clock("arrest_request") == "提请批准逮捕"
    assert CHINESE.find("purpose", "gift") is None
    assert ENGLISH.of("purpose", "free_gift") == "free gift"
    assert ENGLISH.of_clock("no_such_clock") == "no such clock"
    assert ENGLISH.of_extension("arrest_request", "no_such_row") == "no such row"


def test_an_extension_of_some_clocks_has_its_label_in_every_case() -> None:
    """Also where it is allowed on one base alone, and where a procedure has the clock without it."""
    for in_use in ((), (shipped_rulebook(),)):

        def labels_of(books: tuple[Rulebook, ...] = in_use) -> list[str]:
            PROCEDURES_IN_USE.set(books)
            pairs = ("first_instance", "upper_court"), ("retrial_recommendation_review", "special_circumstances")
            return [ENGLISH.of_extension(clock, name) for clock, name in pairs]

        assert copy_context().run(labels_of) == [
            "three months more, approved by the upper court, once",
            "special circumstances, by the ordinary approval",
        ]


def test_what_is_stated_in_a_field_is_told_in_words() -> None:
    """The label of a choice, yes or no; of the procedures in force and of those that ship. Anything else stays."""
    for in_use in ((), (shipped_rulebook(),)):

        def labels_of(books: tuple[Rulebook, ...] = in_use) -> list[str]:
            PROCEDURES_IN_USE.set(books)
            stated = {"main_punishment": "fixed_term", "sentence_accepted": "no", "charge": "yes", "none": "yes"}
            return [CHINESE.of_particular(name, value) for name, value in stated.items()]

        assert copy_context().run(labels_of) == ["有期徒刑", "否", "yes", "yes"]
    assert CHINESE.of_particular("main_punishment", "a_word_of_before") == "a_word_of_before"
    assert CHINESE.of("particular", "main_punishment") == "主刑"


def test_the_procedures_in_force_go_first() -> None:
    """Of the case that is shown before the others; a label that a language lacks is that of the first one."""

    def labelled() -> None:
        PROCEDURES_IN_USE.set((package("en zh", "test"), package("en", "trial of water")))
        assert CHINESE.find("purpose", "analysis") == "test"
        label_first_by(package("en", "trial of water"))
        assert [book.procedure.languages for book in PROCEDURES_IN_USE.get()] == [("en",), ("en", "zh")]
        assert CHINESE.find("purpose", "analysis") == "trial of water"
        assert CHINESE.of_clock("report") == "trial of water"
        assert CHINESE.of_extension("report", "complex") == "trial of water"
        assert CHINESE.of_extension("report", "none") == "none"
        assert CHINESE.of_article("set by the sender") == "移交方所定"
        assert CHINESE.find("purpose", "prosecution_review") == "移送审查起诉"

    copy_context().run(labelled)

    def listed() -> None:
        PROCEDURES_IN_USE.set((package("en", "trial of water"),))
        words = words_in_use("purpose")
        assert (words[0], "prosecution_review" in words, len(words)) == ("analysis", False, len(set(words)))

    copy_context().run(listed)
    assert words_in_use("purpose") == ()
    assert CHINESE.find("purpose", "analysis") is None


def test_an_agency_is_named_in_the_languages_of_its_land() -> None:
    """A reader of another language sees the name in the first one that it has."""
    name = {"fr": "Police judiciaire", "nl": "Gerechtelijke politie"}
    assert CHINESE.in_language(name) == ENGLISH.in_language(name) == "Police judiciaire"
