"""Rendering: templates in the reader's language, with what every page shows around its content.

Scripts, styles and pictures are served at an address of this release, so that browsers fetch each only once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from functools import cache, partial
from importlib.util import cache_from_source
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType
from typing import Any, TypeVar

from blake3 import blake3
from fastapi import Request
from jinja2 import BytecodeCache, Environment, FileSystemLoader, StrictUndefined
from jinja2.bccache import Bucket
from markupsafe import Markup
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.auth.reading import Reading
from api.console.shared import formats
from api.console.shared.guidance import advice, menu_of, next_step
from api.console.shared.page_help import HELP
from api.services.notices import unread
from api.services.service import Service
from api.services.setup import command_values, filled
from api.texts import Texts
from ledger.core.errors import Unavailable
from ledger.core.signing.authority import AuthorityState
from ledger.i18n import LANGUAGES, Labels, audit_words, language_accepted, zone_in_use
from ledger.i18n.amounts import money_in_words
from ledger.i18n.html_bidi import RightToLeft
from ledger.interchange.papers.labels import SIZE_NAMES
from ledger.store.log import StoredEntry
from ledger.timeline.case_history import cited_events
from ledger.timeline.sentences import Names, Narrator, names_by_id, officer_of

T = TypeVar("T")

PATH = "/console"
# For worker scripts such as the verifier, which load scripts of this service and send no requests.
WORKER_POLICY = "default-src 'none'; script-src {}; connect-src 'none'; base-uri 'none'; frame-ancestors 'none'"
# The worker that reads barcodes compiles WebAssembly, which the pages' own policy forbids.
COMPILES = "shared/scan-worker.js"
CONSOLE = Path(__file__).parent.parent
_SERVED = (".js", ".css", ".svg", ".wasm")  # beside these, the folders of the console have its modules and templates
_KEPT = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """Static files that browsers keep. A worker script gets a policy of its own, not its page's."""

    def __init__(self) -> None:
        super().__init__(directory=CONSOLE)
        self._paths = _served()

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path not in self._paths:
            raise HTTPException(404)
        response = await super().get_response(path, scope)
        scripts = "'self' 'wasm-unsafe-eval'" if path == COMPILES else "'self'"
        response.headers["Content-Security-Policy"] = WORKER_POLICY.format(scripts)
        response.headers["Cache-Control"] = _KEPT
        return response


def asset_paths(folder: Path = CONSOLE) -> tuple[str, ...]:
    """Return the paths of the scripts, styles and pictures in the folder; the verifier is served as it is bundled."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.suffix in _SERVED)
    return tuple(sorted(file.as_posix() for file in files if file.parent.name != "verifier"))


@cache
def _served() -> frozenset[str]:
    """Return the paths of this release's files: to look through all folders takes longer than all else of a console."""
    return frozenset(asset_paths())


@cache
def release(folder: Path = CONSOLE) -> str:
    """Return a digest of all assets. Scripts name each other, so they must be kept or fetched together."""
    digest = blake3()
    for path in asset_paths(folder):
        content = (folder / path).read_bytes()
        digest.update(f"{path} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest(length=8)


def address() -> str:
    """Return the address of the files."""
    return f"{PATH}/static/{release()}"


def content_policy(signer_url: str | None) -> str:
    """Return the policy: scripts, styles and pictures of this service only.

    Fetches may go to this service and to the signer at ``signer_url``, or nowhere if there is none.
    """
    connect = f"'self' {signer_url}" if signer_url else "'none'"
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; object-src 'none'; "
        f"connect-src {connect}; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )


LANGUAGE_COOKIE = "tallystick-language"
_NAMES = {"en": "English", "zh-CN": "中文"}


def language(request: Request) -> str:
    """Return the language that the reader chose, or the browser's."""
    chosen = request.cookies.get(LANGUAGE_COOKIE)
    return chosen if chosen in LANGUAGES else language_accepted(request.headers.get("accept-language"))


def page(
    request: Request,
    service: Service,
    template: str,
    reading: Reading | None = None,
    *,
    status: int = 200,
    connects: bool = True,
    unsigned: Mapping[int, StoredEntry] = MappingProxyType({}),
    **values: Any,
) -> Response:
    """Return the page or fragment with the console's content policy; without ``reading`` it is one for anybody.

    Without ``connects``, its scripts may not send requests. ``unsigned`` are the entries, by log index, of which it
    says that they are not as they were signed.
    """
    settings = service.parts.settings
    reader_language = language(request)
    here = request.url.path.removeprefix(PATH)
    # The registry as it was when the request began: to ask the log again for each part of a page takes a fifth of it.
    authority: Callable[[], AuthorityState] = cache(lambda: reading.authority if reading else service.parts.authority())
    session = reading.session if reading else None
    own = authority().agencies.get(session.agency) if session else None
    frame = {
        "here": PATH + here + (f"?{request.url.query}" if request.url.query else ""),
        "root": PATH,
        "assets": address(),
        "pages": request.app.state.pages,
        "signer_url": settings.signer_url,
        "log_id": service.parts.trust.trust.log_id_text,
        "development": service.parts.trust.trust.development,
        "session": session,
        "unsigned": unsigned,
        "menu": menu_of(session, own, request.app.state.pages, here),
        "languages": _NAMES,
        "agency_name": names_by_id(lambda: authority().names(), Labels(reader_language)),
        "url": settings.url,
        "help": HELP.get(template),
        "next_step": lambda: _unless_unavailable(lambda: next_step(service, session, authority())),
        "bell": lambda: _unless_unavailable(lambda: reading and unread(service.parts, reading)),
        "commands_of": lambda step: filled(step.commands, command_values(service, session.agency if session else None)),
        "samples_offered": request.app.state.loading.is_offered,
    }
    html = environment(reader_language).get_template(template).render(**frame, **values)
    headers = {
        "Content-Security-Policy": content_policy(settings.signer_url if connects else None),
        "Referrer-Policy": "same-origin",  # under "no-referrer" forms would be posted without their origin
        "Content-Language": reader_language,
        "Vary": "Cookie, Accept-Language",
    }
    return HTMLResponse(html, status, headers)


def fragment(service: Service, labels: Labels, template: str, **values: Any) -> Markup:
    """Return a part of a page that shows the same to everybody with these labels who may see it."""
    frame = {"root": PATH, "agency_name": names_of(service, labels)}
    return Markup(environment(labels.language).get_template(template).render(**frame, **values))  # noqa: S704 - escaped


def _unless_unavailable(part: Callable[[], T]) -> T | None:
    """Return a part of the frame, or None if the database does not answer; the page itself says what to do then."""
    try:
        return part()
    except Unavailable:
        return None


def names_of(service: Service, labels: Labels) -> Names:
    """Return the function that names agencies by the registry."""
    return names_by_id(lambda: service.parts.authority().names(), labels)


def narrator_of(service: Service, labels: Labels, persons: Mapping[str, str] = MappingProxyType({})) -> Narrator:
    """Return the narrator of events with the agencies' names, in the reader's language.

    ``persons`` are the names of persons by their ids, as far as the reader may know them.
    """
    return Narrator(labels, names_of(service, labels), persons, cited_events(service.parts.database))


class CompiledTemplates(BytecodeCache):
    """Compiled templates of one language, kept where Python keeps compiled modules, if that may be written.

    A page takes longer to compile than to make. What is compiled from another text is not used.
    """

    def __init__(self, template_language: str):
        # As names of such files have it, apart from those that were compiled without the extension.
        self._language = "".join(filter(str.isalnum, template_language)) + RightToLeft.__name__

    def get_cache_key(self, name: str, filename: str | None = None) -> str:
        """Return the path of the file that a compiled template is kept in."""
        return cache_from_source(filename or name, optimization=self._language)

    def load_bytecode(self, bucket: Bucket) -> None:
        """Read what is kept. Whatever is wrong with the file, or if there is none, the template is compiled."""
        with suppress(Exception), Path(bucket.key).open("rb") as file:
            bucket.load_bytecode(file)

    def dump_bytecode(self, bucket: Bucket) -> None:
        """Keep what was compiled, in one step: others may read it at this moment."""
        if sys.dont_write_bytecode:
            return
        kept = Path(bucket.key)
        with suppress(OSError):
            kept.parent.mkdir(parents=True, exist_ok=True)
            with NamedTemporaryFile(dir=kept.parent, delete=False) as file, ExitStack() as failing:
                failing.callback(Path(file.name).unlink)  # what a full disk cut short is of no use
                bucket.write_bytecode(file)
                file.flush()
                Path(file.name).replace(kept)
                failing.pop_all()


@cache
def environment(template_language: str) -> Environment:
    """Return the templates in one language; everything put into them is escaped."""
    loader = FileSystemLoader(CONSOLE)
    templates = Environment(
        loader=loader,
        autoescape=True,
        extensions=[RightToLeft],
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        bytecode_cache=CompiledTemplates(template_language),
        auto_reload=False,  # the files of a release do not change while it runs
    )
    labels, texts = Labels(template_language), Texts(template_language)
    templates.globals |= {
        "_": texts,
        "advice": advice,
        "label": labels.of,
        "labels": labels,
        "label_sizes": SIZE_NAMES,
        "officer_of": lambda event: officer_of(event, labels),
        "language": template_language,
        "zone": zone_in_use,
        "zone_label": lambda: labels.of_zone(zone_in_use()),
    }
    templates.filters |= {
        "abridged": formats.abridged,
        "brief": formats.brief,
        "bytes": formats.size,
        "day": labels.of("moment", "day").format,
        "ether": formats.ether,
        "found": partial(audit_words.value_text, labels),
        "in_brief": formats.in_brief,
        "instant": formats.instant,
        "moment": lambda instant: moment(instant, labels),
        "money": lambda money: money_in_words(money.amount, money.currency),
        "of_audit": lambda text: zone_in_use().with_readable_times(labels.translate(text)),
        "of_fault": labels.translate,
        "of_finding": lambda finding: (
            audit_words.finding_text(labels, finding.word, finding.slots) if finding.word else finding.what
        ),
        "of_milliseconds": lambda unix_ms: datetime.fromtimestamp(unix_ms / 1000, UTC),
        "with_moments": labels.with_moments,
        "span": lambda seconds: formats.span(seconds, texts),
    }
    return templates


def moment(instant: str | int | datetime | None, labels: Labels) -> str:
    """Return a time of the record in the zone in use, to the minute. A number is in unix seconds."""
    if instant is None:
        return "—"
    if isinstance(instant, int):
        return labels.moment_at(instant)
    return labels.moment(datetime.fromisoformat(instant) if isinstance(instant, str) else instant)
