"""Scripts, styles and pictures of the pages, at an address of this release, so that browsers fetch each only once."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from blake3 import blake3
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.console.security import PATH, WORKER_POLICY

STATIC = Path(__file__).parent / "static"
_KEPT = "public, max-age=31536000, immutable"


class Assets(StaticFiles):
    """Static files that browsers keep. A worker script gets a policy of its own, not its page's."""

    def __init__(self) -> None:
        super().__init__(directory=STATIC)

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["Content-Security-Policy"] = WORKER_POLICY
        response.headers["Cache-Control"] = _KEPT
        return response


@cache
def release(folder: Path = STATIC) -> str:
    """Return a digest of all files. Scripts name each other, so they must be kept or fetched together."""
    digest = blake3()
    for file in sorted(file for file in folder.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(folder).as_posix()} {file.stat().st_size}\n".encode())
        digest.update(file.read_bytes())
    return digest.hexdigest(length=8)


def address() -> str:
    """Return the address of the files."""
    return f"{PATH}/static/{release()}"
