"""A timestamp authority of the tests: `openssl ts` with a root and a signing certificate of its own, also over HTTP."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

from tests.testkit.faulty_service import Answer, Asked, faulty_service

EXTENSIONS = (
    "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=critical,timeStamping\n"
)
CONFIGURATION = """
[tsa]
default_tsa = of_the_tests
[of_the_tests]
dir = .
serial = ./serial
crypto_device = builtin
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = {accuracy}
ordering = no
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    """``openssl ts`` in ``folder``. While ``status`` is not 200, or ``body`` is given, the server answers just that."""

    folder: Path
    url: str = ""
    status: int = 200
    body: bytes | None = None
    asked: int = 0
    _turn: Lock = field(default_factory=Lock)

    @property
    def root_file(self) -> Path:
        return self.folder / "root.pem"

    @property
    def root(self) -> bytes:
        return self.certificate("root")

    def certificate(self, name: str) -> bytes:
        """Return that of the root, or of the signer, which is called tsa."""
        return load_pem_x509_certificate((self.folder / f"{name}.pem").read_bytes()).public_bytes(Encoding.DER)

    def answer(self, query: bytes) -> bytes:
        """Return the TimeStampResp to a TimeStampReq, both DER."""
        with self._turn:
            (self.folder / "query.tsq").write_bytes(query)
            signer = ("-signer", "tsa.pem", "-inkey", "tsa.key")
            _openssl(
                self.folder, "ts", "-reply", "-config", "tsa.cnf", "-queryfile", "query.tsq", *signer, "-out", "answer"
            )
            return (self.folder / "answer").read_bytes()

    def stamp(self, data: bytes, algorithm: HashAlgorithm = HashAlgorithm.SHA256, *, certificate: bool = True) -> bytes:
        """Return a timestamp of these bytes."""
        asked = TimestampRequestBuilder(data=data, hash_algorithm=algorithm, cert_req=certificate).build()
        return self.answer(asked.as_bytes())


def new_authority(folder: Path, *, name: str = "Test", accuracy: str = "secs:1") -> Authority:
    """Make an authority whose root is called ``name`` Root, its signer ``name`` Timestamping."""
    folder.mkdir(parents=True)
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    ca = ("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    (folder / "extensions").write_text(EXTENSIONS)
    (folder / "tsa.cnf").write_text(CONFIGURATION.format(accuracy=accuracy))
    (folder / "serial").write_text("01\n")
    _openssl(folder, "req", "-x509", *key, "-keyout", "root.key", "-out", "root.pem", "-subj", f"/CN={name} Root", *ca)
    _openssl(folder, "req", *key, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", f"/CN={name} Timestamping")
    signing = ("-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-extfile", "extensions")
    _openssl(folder, "x509", "-req", "-in", "tsa.csr", *signing, "-days", "3650", "-out", "tsa.pem")
    return Authority(folder)


@contextmanager
def serving_authority(authority: Authority) -> Iterator[Authority]:
    """Serve the authority at ``url``, until the block is left."""

    def answer(asked: Asked) -> Answer:
        authority.asked += 1
        assert asked.headers["Content-Type"] == "application/timestamp-query"
        body = authority.answer(asked.body) if authority.body is None and authority.status == 200 else authority.body
        return Answer(authority.status, body or b"", {"Content-Type": "application/timestamp-reply"})

    with faulty_service(answer) as service:
        authority.url = f"{service.url}/tsa"
        yield authority


def _openssl(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["openssl", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
