"""What is refused is told in the reader's words, with what to do next; nobody at a page is told how programs do it."""

from __future__ import annotations

import ast
from functools import cache

import pytest

from api.console.shared.guidance import BY_CODE, BY_STATUS, advice
from api.middleware.problems import HINTS, STATUSES, Problem
from ledger.i18n import Labels
from tests.api.service import Served
from tests.testkit.machine import REPOSITORY

SAYS_NO = ("code", "rule")
REACHING = (  # whose refusals reach a page, or the script of one
    *("api", "ledger/core", "ledger/store", "ledger/supervision", "ledger/interchange/imports/paper"),
    *(f"ledger/recording/{name}.py" for name in ("validation", "supervision_streams", "sequencer")),
)
NEVER = (  # what no page asks for: a witness's own service, webhooks, the chain's journal, batches
    *("api/witness", "api/routes/webhooks.py", "api/routes/submissions.py", "api/middleware/server.py"),
    *("api/signer/guard.py", "ledger/store/witness.py", "ledger/store/webhooks.py", "ledger/store/chain_journal.py"),
)


@cache
def calls() -> list[ast.Call]:
    """Return the calls in all sources whose refusals reach a page."""
    paths = [REPOSITORY / place for place in REACHING]
    files = [file for path in paths for file in ([path] if path.suffix else path.rglob("*.py"))]
    reaching = [file for file in files if not file.relative_to(REPOSITORY).as_posix().startswith(NEVER)]
    trees = (ast.walk(ast.parse(file.read_text("utf-8"))) for file in reaching)
    return [node for tree in trees for node in tree if isinstance(node, ast.Call)]


def code_of(call: ast.Call) -> str | None:
    """Return the code of the refusal that the call makes, as far as it stands there."""
    named = getattr(call.func, "id", "")
    if named == "refuse" and isinstance(call.args[0], ast.Constant):
        return str(call.args[0].value)
    if named == "look_up" and isinstance(call.args[2], ast.Constant):
        return "unknown_" + str(call.args[2].value).replace(" ", "_")
    values = (
        keyword.value for keyword in call.keywords if keyword.arg in SAYS_NO and isinstance(keyword.value, ast.Constant)
    )
    return next((constant.value for constant in values if isinstance(constant.value, str)), None)


def test_what_reaches_pages_has_a_chinese_label() -> None:
    """Of every code that is given on the way of a page or of what its scripts send."""
    codes = {code for call in calls() if (code := code_of(call))} | {kind.code for kind in STATUSES}
    assert len(codes) > 100
    assert {code for code in codes if Labels("zh-CN").find("refusal", code) is None} == set()


def test_hints_for_programs_are_not_told_on_pages() -> None:
    """Where a refusal's own hint names an address of the API, pages have words of theirs."""
    for call in calls():
        hint = next((ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == "hint"), "")
        if "/api/" in hint:
            assert code_of(call) in BY_CODE, hint
    for sentence in (*BY_CODE.values(), *BY_STATUS.values()):
        assert not any(word in sentence for word in ("/api/", "Bearer", "header", "openapi")), sentence
    assert BY_STATUS.keys() >= {*STATUSES.values(), 401, 408, 413, 429}


def problem(code: str, status: int, hint: str) -> Problem:
    return Problem(status, "", code, "", hint)


def test_the_nearest_advice_is_given() -> None:
    """By the code; in English else the refusal's own; else by the status; else to begin anew."""
    own = "Check it in first."
    assert advice(problem("busy", 503, own), "en") == BY_CODE["busy"]
    assert advice(problem("checked_out", 422, own), "en") == own
    assert advice(problem("checked_out", 422, own), "zh-CN") == BY_STATUS[422]
    assert advice(problem("item_gone", 422, HINTS[422]), "en") == BY_STATUS[422]
    assert "sign in anew" in advice(problem("unheard_of", 418, HINTS[400]), "en")


@pytest.mark.parametrize(
    ("language", "sentence"),
    [("zh-CN", "请核对地址和编号"), ("en", "What you may not see looks as if it were not there.")],
)
def test_a_refused_page_says_what_to_do_next(shared: Served, language: str, sentence: str) -> None:
    """Its page has the advice in the language that the reader asks for."""
    answer = shared.request("GET", "/console/nowhere", headers={"accept-language": language})
    assert (answer.status_code, sentence in answer.text) == (404, True)


@pytest.mark.parametrize(
    ("asked", "texts"),
    [
        ("key_revoked?status=403", ("此密钥已被撤销", "请换用您的另一已授权密钥")),
        ("signed_at_out_of_window", ("签名时间与账本的时间相差过大", "请校准本机时间")),
        ("never_heard_of?status=429", ("请等一分钟再试", "data-detail")),
        ("never_heard_of", ("请重新打开页面", "data-detail")),
    ],
)
def test_scripts_have_the_words_of_a_refusal(shared: Served, asked: str, texts: tuple[str, ...]) -> None:
    """What a code means and what to do next, with a place for what was said."""
    answer = shared.request("GET", f"/console/refusals/{asked}", headers={"accept-language": "zh-CN"})
    assert answer.status_code == 200
    assert [text for text in texts if text not in answer.text] == []
    assert answer.text.count("data-detail") == 1


@pytest.mark.parametrize("asked", ["KEY", "a" * 65, "key_revoked?status=200", "key_revoked?status=x"])
def test_words_are_asked_for_by_a_code(shared: Served, asked: str) -> None:
    """Nothing else is put on a page that way."""
    assert shared.request("GET", f"/console/refusals/{asked}").status_code == 400
