"""The README's own commands, run as they stand there."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from server.cli import main
from server.server_process import own_server

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text()


def snippet(kind: str) -> str:
    """Return the block after the comment that marks it."""
    match = re.search(rf"<!-- {kind}: [^\n]*-->\n```(?:python)?\n(.*?)```", TEXT, re.DOTALL)
    assert match is not None
    return match.group(1)


@pytest.mark.parametrize("line", [line for line in snippet("commands").splitlines() if line.strip()])
def test_every_command_of_the_readme_works(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for take in (ROOT / "server" / "takes").glob("take.*"):
        shutil.copy(take, tmp_path)
    monkeypatch.chdir(tmp_path)
    words = shlex.split(line)
    assert words[0] == "backline"
    assert main(words[1:]) == 0
    for name in re.findall(r"\S+\.(?:mid|jsonl|wav|png)\b", line):
        assert (tmp_path / name).stat().st_size > 100


def test_the_python_snippet_of_the_readme_works() -> None:
    with own_server() as (_, port):
        code = snippet("python").replace("port=9010", f"port={port}")
        done = subprocess.run(
            [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr


def test_the_protocol_page_is_made_from_the_table() -> None:
    from plugin_bridge.protocol_page import PAGE, page

    assert PAGE.read_text() == page()
