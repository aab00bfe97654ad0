"""The page on going live is true: what it tells each machine of four agencies to type works, in that order."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.testkit.machine import REPOSITORY, environment, free_port

PAGE = (REPOSITORY / "docs" / "going-live.md").read_text(encoding="utf-8")
WITHIN = 600  # seconds
ROLES = {"the operator's machine": "operator", "the machine of the agency's witness": "witness"}
ROLES |= {"the machine of the agency's admin": "admin", "the officer's own machine": "officer"}
STEP = re.compile(
    r"^\*\*On ([^*.:]+?)[.:]?\*\*(?:, at `([\w-]+)`)?[^\n]*\n(?:[^\n`#*][^\n]*\n)*\n```bash\n(.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


def rows(heading: str) -> list[list[str]]:
    """Return the cells of the table with this heading, without marks of code."""
    table = PAGE.split(heading)[1].split("\n\n", maxsplit=1)[0].splitlines()[2:]
    return [[cell.strip(" `") for cell in line.strip("|").split("|")] for line in table]


AGENCIES = rows("| agency | kind | place | witness | first clerk |")
SENT = rows("| file | from | to |")


class Machines:
    """Machines of the page, each a folder with a home of its own; what their blocks leave running ends with them."""

    def __init__(self, folder: Path, ports: dict[str, int]):
        self.folder, self.ports = folder, ports
        self._exports: dict[str, str] = {}
        self._shells: list[int] = []

    def type(self, name: str, block: str) -> str:
        """Type a block into a shell of the machine, which remembers what it exported; return what it prints."""
        home = self.folder / name
        home.mkdir(exist_ok=True)
        self._exports[name] = self._exports.get(name, "") + "".join(re.findall(r"^export .*\n", block, re.MULTILINE))
        # There is no terminal at which a person could agree.
        typed = f'tally() {{ command tally --yes "$@"; }}\n{self._exports[name]}{block}'
        with (home / "printed").open("w+", encoding="utf-8") as printed:
            path = f"{REPOSITORY / '.venv' / 'bin'}:{os.environ['PATH']}"
            shell = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", typed],
                cwd=home,
                env=environment(HOME=str(home), PATH=path, LANG="en_GB.UTF-8"),
                stdout=printed,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._shells.append(shell.pid)
            status = shell.wait(WITHIN)
            printed.seek(0)
            text = printed.read()
        assert status == 0, f"{name}: {typed}\n{text[-4000:]}"
        return text

    def send(self, name: str, role: str, agency: str) -> None:
        """Send what the page says is sent from a machine of this role, and nothing else."""
        for file, sender, receiver in SENT:
            if role != ("operator" if "operator" in sender else sender.rpartition(" ")[2].removeprefix("agency's ")):
                continue
            pattern = file.replace("AGENCY-OFFICER", f"{agency}-*").replace("AGENCY", agency)
            for path in (self.folder / name).glob(pattern):
                for target in self._receivers(receiver, agency):
                    (self.folder / target).mkdir(exist_ok=True)
                    shutil.copy(path, self.folder / target / path.name)

    def _receivers(self, receiver: str, agency: str) -> Iterator[str]:
        if receiver == "the operator":
            yield "operator"
        elif receiver == "the agency's admin":
            yield f"{agency}.admin"
        else:
            assert receiver == "every machine of every agency"
            for each in AGENCIES:
                yield from (f"{each[0]}.{role}" for role in ("admin", "witness", "officer"))

    def stop(self) -> None:
        """End what runs."""
        for pid in self._shells:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGTERM)


def adapted(block: str, agency: list[str], ports: dict[str, int]) -> str:
    """Return the block with the values of an agency of the page, and addresses of this machine."""
    name, kind, place, witness, clerk = agency
    for variable, value in {"AGENCY": name, "KIND": kind, "PLACE": place, "OFFICER": clerk}.items():
        block = re.sub(rf"(^export .*\b{variable}=)\S+", rf"\g<1>{value}", block, flags=re.MULTILINE)
    if witness == "no":
        block = re.sub(r" \\\n  --witness .*\n", "\n", block)
    service, chain = f"http://127.0.0.1:{ports['service']}", f"127.0.0.1:{ports['chain']}"
    block = block.replace("https://ledger.example", service).replace("127.0.0.1:8420", f"127.0.0.1:{ports['service']}")
    block = block.replace("127.0.0.1:8545", chain).replace("PORT=8545", f"PORT={ports['chain']}")
    block = block.replace("https://witness.$AGENCY.example", f"http://127.0.0.1:{ports[name]}")
    block = block.replace("127.0.0.1:8430", f"127.0.0.1:{ports[name]}")
    return block.replace("tally serve ", f"tally serve --port {ports['service']} ")


@pytest.mark.extended
@pytest.mark.timeout(WITHIN + 60)
def test_four_agencies_go_live_by_the_page_alone(tmp_path: Path) -> None:
    """Each block is typed on its machine for each agency that has one, in the order of the page. In the end nothing is
    missing of the ledger, and of the agency whose clerk has signed. Keys are of full strength.
    """
    ports = {name: free_port() for name in ("service", "chain", *(agency[0] for agency in AGENCIES))}
    machines = Machines(tmp_path, ports)
    steps = STEP.findall(PAGE)
    assert len(steps) == len(re.findall("^```bash", PAGE, re.MULTILINE))
    try:
        for place, at, block in steps:
            role = ROLES[place]
            own = [agency for agency in AGENCIES if at in ("", agency[0])]
            if role == "witness":
                own = [agency for agency in own if agency[3] == "yes"]
            for agency in own[:1] if role == "operator" else own:
                name = "operator" if role == "operator" else f"{agency[0]}.{role}"
                machines.type(name, adapted(block, agency, ports))
                machines.send(name, role, agency[0])
        last = machines.type("psb-east.admin", "tally --json agency setup procuratorate-east\n")
    finally:
        machines.stop()
    setup = json.loads(last)
    left_open = [step for step in (*setup["steps"], *setup["agencies"][0]["steps"]) if step["state"] == "missing"]
    assert left_open == []
    assert sum(agency[3] == "yes" for agency in AGENCIES) == 3
