"""The routes of the local signer: EIP-1193 for the console's pages, and the page on which the officer answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from msgspec import Struct
from msgspec.structs import replace
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from api.middleware.edge import EdgeMiddleware
from api.middleware.problems import HANDLERS
from api.middleware.request_limits import JSON, RateLimit, decode, read_body
from api.signer.asking import AskedAlready, Declined, NotAnswered, OfficerPrompt
from api.signer.guard import Guard, Pairing, bearer
from api.signer.question import QuestionBuilder, SigningQuestion
from api.texts import Texts
from ledger.client.acts_in_words import ActInWords
from ledger.core.encoding.decoding import decoder_of
from ledger.core.errors import TallystickError
from ledger.core.signing.signatures import TransactionSigner
from ledger.i18n import ZONE_IN_USE, in_readers_language
from ledger.i18n.bidi import isolated
from ledger.i18n.html_bidi import RightToLeft
from ledger.timeline.event_fields import EventField

MAX_BODY = 2 * 1024 * 1024  # bytes: a payload with its typed data
REQUESTS_PER_S = 20
BODY_TIMEOUT_S = 10
_PAGE = Path(__file__).parent / "page"
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

# Codes of EIP-1193 and of JSON-RPC.
USER_REJECTED, UNAUTHORIZED, UNSUPPORTED = 4001, 4100, 4200
INVALID_PARAMS, BUSY = -32602, -32002


class Call(Struct, frozen=True):
    """A request of EIP-1193 in the form of JSON-RPC."""

    method: str
    id: int | str | None = None
    jsonrpc: str = "2.0"
    params: list[Any] = []


class CodeGiven(Struct, frozen=True, forbid_unknown_fields=True):
    code: str


class Answered(Struct, frozen=True, forbid_unknown_fields=True):
    number: str
    agreed: bool


class CallRefused(TallystickError):
    """A call that is answered with an EIP-1193 error: ``number`` is its code, ``code`` our own for the reason."""

    def __init__(self, number: int, message: str, code: str = "malformed_input"):
        super().__init__(message, code=code)
        self.number = number


class SigningProvider(Struct, frozen=True):
    """Answers calls of EIP-1193 with the holder's key, once the officer has agreed to each signature."""

    questioner: QuestionBuilder
    signer: TransactionSigner
    prompt: OfficerPrompt
    chain_id: int

    async def call(self, call: Call) -> Any:
        """Return the result of a call. Raises CallRefused."""
        match call.method, call.params:
            case "eth_requestAccounts" | "eth_accounts", _:
                return [self.questioner.holder.key_id]
            case "eth_chainId", _:
                return hex(self.chain_id)
            case "eth_signTypedData_v4", [address, data, beside]:
                return (await self._signatures(lambda: self.questioner.events(address, [[data, beside]])))[0]
            case "tallystick_signEvents", [address, documents]:
                return await self._signatures(lambda: self.questioner.events(address, documents))
            case "personal_sign", [data, address]:
                return (await self._signatures(lambda: self.questioner.sign_in(data, address)))[0]
            case "eth_signTypedData_v4" | "tallystick_signEvents" | "personal_sign", _:
                raise CallRefused(
                    INVALID_PARAMS, "expected the parameters of this method; an event comes with its payload"
                )
        raise CallRefused(UNSUPPORTED, f"this signer knows no method {call.method[:100]}")

    async def _signatures(self, judge: Callable[[], SigningQuestion]) -> list[str]:
        try:
            question = await run_in_threadpool(judge)  # it may have to fetch the record of the case
            await self.prompt.ask(question)
        except (Declined, NotAnswered) as error:
            raise CallRefused(USER_REJECTED, error.message, error.code) from error
        except AskedAlready as error:
            raise CallRefused(BUSY, error.message) from error
        except TallystickError as error:
            raise CallRefused(INVALID_PARAMS, str(error), error.code) from error
        except (msgspec.MsgspecError, UnicodeError) as error:
            raise CallRefused(INVALID_PARAMS, str(error)) from error
        signatures = question.signatures(self.signer)
        self.prompt.note_signed(question)
        return signatures


def create_app(own: SignerRoutes) -> ASGIApp:
    """Return the application."""
    routes = [
        Route("/rpc", own.preflight, methods=["OPTIONS"]),
        Route("/rpc", own.rpc, methods=["POST"]),
        Route("/pair", own.preflight, methods=["OPTIONS"]),
        Route("/pair", own.pair, methods=["POST"]),
        Route("/waiting", own.waiting, methods=["GET"]),
        Route("/answer", own.answer, methods=["POST"]),
        Route("/signed", own.signed, methods=["GET"]),
        Route("/", own.page, methods=["GET"]),
        *(Route(f"/{name}", FileResponse(_PAGE / name), methods=["GET"]) for name in ("signer.js", "signer.css")),
    ]
    inner = Starlette(routes=routes, exception_handlers=dict(HANDLERS))

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        """Check what every request must satisfy."""
        if scope["type"] == "http":
            headers = Request(scope).headers
            own.guard.require_host(headers)
            own.guard.require_no_frame(headers)
        await inner(scope, receive, send)

    return EdgeMiddleware(
        guarded,
        addresses=RateLimit(REQUESTS_PER_S, "requests", time.monotonic),
        secure=False,
        log=lambda *_, **__: None,
        zone=ZONE_IN_USE.get(),
    )


class SignerRoutes(Struct, frozen=True):
    """The routes for pages of the console, which must be paired, and of the page on which the officer is asked.

    ``asks_here`` means that questions are answered on that page.
    """

    provider: SigningProvider
    prompt: OfficerPrompt
    pairing: Pairing
    guard: Guard
    texts: Texts
    asks_here: bool = True

    async def preflight(self, request: Request) -> Response:
        return Response(status_code=204, headers=self.guard.preflight(request.headers))

    async def rpc(self, request: Request) -> Response:
        self.guard.require_console(request.headers)
        call = await _body(request, _calls)
        reply: dict[str, Any] = {"jsonrpc": "2.0", "id": call.id}
        try:
            if not self.pairing.knows(bearer(request.headers)):
                raise CallRefused(UNAUTHORIZED, "this page is not paired with the signer")
            reply["result"] = await self.provider.call(call)
        except CallRefused as error:
            reply["error"] = {"code": error.number, "message": error.message, "data": {"code": error.code}}
        return _json(reply, self.guard.grants())

    async def pair(self, request: Request) -> Response:
        self.guard.require_console(request.headers)
        code_given = await _body(request, _codes)
        try:
            return _json({"token": self.pairing.take(code_given.code)}, self.guard.grants())
        except TallystickError as error:
            return _json({"error": {"code": UNAUTHORIZED, "message": error.message}}, self.guard.grants(), 403)

    async def page(self, _request: Request) -> Response:
        html = _templates.get_template("index.html").render(texts=self.texts, asks_here=self.asks_here)
        return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})

    async def waiting(self, request: Request) -> Response:
        self.guard.require_own_page(request.headers)
        pending, question = self.prompt.waiting if self.asks_here else None, None
        if pending is not None:
            question = {
                "kind": pending.question.kind,
                "acts": _in_order(pending.question.acts),
                "number": pending.number,
                "seconds_left": pending.seconds_left,
            }
        code = self.pairing.code
        return _json({"code": f"{code[:4]}-{code[4:]}", "question": question, "signed": self.prompt.count})

    async def signed(self, request: Request) -> Response:
        self.guard.require_own_page(request.headers)
        return _json({"signed": [replace(each, acts=_in_order(each.acts)) for each in self.prompt.signed]})

    async def answer(self, request: Request) -> Response:
        self.guard.require_own_page(request.headers)
        officer_answer = await _body(request, _answers)
        return _json({"counted": self.asks_here and self.prompt.answer(officer_answer.number, officer_answer.agreed)})


def _in_order(acts: Iterable[ActInWords]) -> tuple[ActInWords, ...]:
    """Return acts as the page shows them, right-to-left names set apart from what is around them."""
    return tuple(
        ActInWords(
            isolated(act.sentence), tuple(EventField(*map(isolated, each)) for each in act.particulars), act.source
        )
        for act in acts
    )


_templates = Environment(
    loader=FileSystemLoader(_PAGE), autoescape=True, extensions=[RightToLeft], undefined=StrictUndefined
)
_calls = decoder_of(Call)
_codes = decoder_of(CodeGiven)
_answers = decoder_of(Answered)


async def _body(request: Request, decoder: msgspec.json.Decoder[Any]) -> Any:
    return decode(
        await read_body(request.scope, request.receive, JSON, limit=MAX_BODY, timeout_s=BODY_TIMEOUT_S), decoder
    )


def _json(value: Any, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value, enc_hook=in_readers_language), status, headers, JSON)
