"""The writer of ``scripts.campaigns``, forked off a process that has imported it."""

from __future__ import annotations

import os
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from scripts.campaigns import writer
from scripts.campaigns.targets import WriterTarget
from tests.testkit.forked import ForkedProcess


class ForkedWriter(WriterTarget):
    """To import it takes ten times as long as to start it."""

    def start(self) -> None:
        ours, theirs = Pipe(duplex=False)
        self._process = ForkedProcess(target=_write, args=(self.database_url, theirs))
        self._process.start()
        theirs.close()
        with ours, open(ours.fileno(), closefd=False) as output:
            self._port = int(output.readline())


def _write(url: str, output: Connection) -> None:
    stays_open, _ = os.pipe()
    sys.stdin = os.fdopen(stays_open)  # the writer ends when its standard input does
    os.dup2(output.fileno(), 1)
    writer.main(url, "0.1")
