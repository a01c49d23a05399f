"""The ready-made files: every Backline address in them is one of the wire's, with its types, and each file is what it claims to be."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plugin_bridge.protocol_table import TABLE
from server.model_store import find_model
from server.osc.parameters import parameter_address

FOLDER = Path(__file__).parents[2] / "plugin_bridge"
FILES = [*sorted(path for path in FOLDER.glob("*/*.*") if path.parent.name != "native"), FOLDER / "README.md"]
ADDRESS = re.compile(r"(?<![\w./])/backline(?:/[A-Za-z_.@{}0-9]+)+")
COMMANDS = {entry.address for entry in TABLE if entry.direction in ("command", "to engine")}
ANSWERS = {entry.address for entry in TABLE if entry.direction in ("reply", "from engine")}
SERVER_ENVIRONMENT = os.environ | {"PYTHONPATH": str(FOLDER.parent)}
PARAMETERS = {parameter.name: parameter for parameter in find_model("transcriber").manifest.parameters}


def takes(address: str, tags: str) -> bool:
    """Whether the server takes an address with arguments of those types; `?` stands for a type that a program picks itself."""
    if (parameter := parameter_address(address)) is not None and parameter[1] in PARAMETERS:
        return len(tags) == 1 and not PARAMETERS[parameter[1]].fixed
    return any(match(entry.tags, getattr(entry, "optional", 0), tags) for entry in TABLE
               if entry.address == address and entry.direction in ("command", "to engine"))  # fmt: skip


def match(wanted: str, optional: int, given: str) -> bool:
    """Whether types match. A string may come as a number, since the server writes it out; `f...` is any count of floats."""
    if wanted.endswith("..."):
        head = wanted[:-4]
        return given.startswith(head) and set(given[len(head) :]) == {wanted[-4]}
    if not len(wanted) - optional <= len(given) <= len(wanted):
        return False
    return all(have in (want, "?") or (want == "s" and have in "if") for want, have in zip(wanted, given, strict=False))


def type_of(word: str) -> str:
    """Return the type that Max or Ardour's table gives a word of a message."""
    if re.fullmatch(r"-?\d+", word):
        return "i"
    if re.fullmatch(r"-?\d*\.\d+", word):
        return "f"
    return "?" if word == "$1" else "s"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_address_exists(path):
    for address in ADDRESS.findall(path.read_text()):
        plain = re.sub(r"@\{stream\}", "1", address).rstrip(".")
        parameter = parameter_address(plain)
        assert plain in COMMANDS | ANSWERS or (parameter is not None and parameter[1] in PARAMETERS), address


def test_pure_data_sends_what_the_server_takes():
    sent = re.findall(r"oscformat (?:-f (\w+) )?backline ([\w ]+);", (FOLDER / "puredata" / "backline~.pd").read_text())
    assert len(sent) == 6
    for tags, words in sent:
        address = "/backline/" + words.replace(" ", "/")
        # What follows the given types is of the type that it has: a parameter's value, or a block's samples.
        more = {"/backline/audio": "f" * 256, "/backline/stream/set": "f"}.get(address, "")
        assert takes(address, tags + more), address


def test_pure_data_patches_are_whole():
    for path in FOLDER.glob("puredata/*.pd"):
        depth, counts, connections = 0, [0], 0
        for line in path.read_text().replace("\\;", "").split(";\n"):
            if line.startswith("#N canvas"):
                depth += 1
                counts.append(0)
            elif line.startswith("#X restore"):
                depth -= 1
                counts.pop()
                counts[-1] += 1
            elif line.startswith("#X connect"):
                source, _, sink, _ = map(int, line.split()[2:])
                assert max(source, sink) < counts[-1], line
                connections += 1
            elif line.strip():
                counts[-1] += 1
        assert depth == 1
        assert connections > 15


def test_supercollider_sends_what_the_server_takes():
    script = (FOLDER / "supercollider" / "backline.scd").read_text()
    sent = re.findall(r"sendMsg\('([^']+)'(.*)\)", script)
    types = {
        "/backline/stream/open": "sis",
        "/backline/stream/close": "i",
        "/backline/stream/set": "i??",
        "/backline/audio": "ii" + "f" * 512,
    }
    assert {address for address, _ in sent} == types.keys()
    for address, arguments in sent:
        assert takes(address, types[address])
        assert arguments.count(",") >= {"/backline/audio": 3}.get(address, len(types[address]))
    heard = set(re.findall(r"^}, '([^']+)'\)|}, '([^']+)'\);", script, re.M))
    assert {one or two for one, two in heard} - {"/backline_tap"} <= ANSWERS


def widgets(widget: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield a panel's widget and all in it."""
    yield widget
    for child in (*widget.get("widgets", ()), *widget.get("tabs", ())):
        yield from widgets(child)


def test_the_panel_sends_what_the_server_takes():
    session = json.loads((FOLDER / "open_stage_control" / "backline.json").read_text())
    assert (session["type"], session["content"]["type"]) == ("session", "root")
    found = [each for each in widgets(session["content"]) if str(each.get("address", "")).startswith("/backline")]
    assert len({each["id"] for each in found}) == len(found) > 15
    for each in found:
        address = each["address"].replace("@{stream}", "1")
        if each.get("bypass"):
            assert address in ANSWERS
            continue
        before = (
            each["preArgs"]
            if isinstance(each.get("preArgs"), list)
            else [each["preArgs"]]
            if each.get("preArgs")
            else []
        )
        count = len(before) + (each.get("mode") != "momentary")
        assert len(each["typeTags"]) == count
        assert takes(address, each["typeTags"]), each["id"]
        assert each["target"] == "127.0.0.1:9010"
        if (parameter := parameter_address(address)) is not None and each["type"] == "fader":
            row = PARAMETERS[parameter[1]]
            assert each["range"] == {"min": row.minimum, "max": row.maximum}
            assert each["default"] == row.default


def test_the_max_patch_sends_what_the_server_takes():
    patcher = json.loads((FOLDER / "max" / "backline.maxpat").read_text())["patcher"]
    boxes = {each["box"]["id"]: each["box"] for each in patcher["boxes"]}
    for each in patcher["lines"]:
        for end, count in (("source", "numoutlets"), ("destination", "numinlets")):
            box, place = each["patchline"][end]
            assert place < boxes[box][count]
    messages = [box["text"].split() for box in boxes.values() if box["maxclass"] == "message"]
    assert len(messages) > 5
    for address, *words in messages:
        assert takes(address, "".join(map(type_of, words))), address


def test_ardour_s_table_says_what_the_server_takes():
    text = (FOLDER / "ardour" / "README.md").read_text()
    for message in re.findall(r"Backline \| `([^`]+)`", text):
        address, *words = message.split()
        assert takes(address, "".join(map(type_of, words))), message


def test_the_reaper_pattern_is_one():
    flags = re.compile(r"[nfbtrsio]/[\w@/+\-]+")
    lines = [line.split() for line in (FOLDER / "reaper" / "Backline.ReaperOSC").read_text().splitlines()]
    rows = {words[0]: words[1:] for words in lines if words and not words[0].startswith("#")}
    assert {"PLAY", "STOP", "RECORD", "FX_PARAM_VALUE", "ACTION"} <= rows.keys()
    for name, words in rows.items():
        assert words, name
        if not name.startswith(("DEVICE_", "REAPER_")):
            assert all(flags.fullmatch(word) for word in words), name


REAPER = """
local said = {}
local function note(...) said[#said + 1] = table.concat({...}, " ") end
reaper = {
    ExecProcess = function(command, patience)
        local pipe = io.popen(command .. " 2>&1")
        local words = pipe:read("a")
        local _, _, code = pipe:close()
        return code .. "\\n" .. words
    end,
    GetPlayState = function() return PLAYING and 1 or 0 end,
    GetPlayPosition = function() return 90.0 end,
    GetCursorPosition = function() return 7.0 end,
    GetProjectPath = function() return PROJECT end,
    PCM_Source_CreateFromFile = function(path) return path end,
    GetMediaSourceLength = function(path) return 2.0 end,
    PCM_Source_Destroy = function() end,
    SetEditCurPos = function(place) note("cursor", place) end,
    InsertMedia = function(path, mode) note("insert", path:match("%.%w+$"), mode) end,
    ShowMessageBox = function(text) note("box", text) end,
    Undo_BeginBlock = function() end, Undo_EndBlock = function() end,
}
PROJECT, PLAYING = arg[1], arg[2] == "playing"
dofile(arg[3])
for _, line in ipairs(said) do print(line) end
"""


@pytest.mark.skipif(shutil.which("lua5.4") is None, reason="Lua (package lua5.4) is not installed")
@pytest.mark.parametrize(("state", "place"), [("playing", "88.0"), ("stopped", "7.0")])
def test_the_reascript_brings_in_what_was_kept(start_server, tmp_path, state, place):
    script = (FOLDER / "reaper" / "backline_keep.lua").read_text()
    with start_server() as server:
        stream = server.client.open_stream("probe", 48_000, {"pace": "free"})
        stream.send(0, np.full((1, 4800), 0.5, np.float32))
        list(stream.wait(4800))
        command = tmp_path / "backline"
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -P -c "import sys; from server.cli import main; sys.exit(main())" '
                           f'"$@" --server 127.0.0.1:{server.port}\n')  # fmt: skip
        command.chmod(0o755)
        mine = tmp_path / "keep.lua"
        mine.write_text(script.replace('"backline" --', f'"{command}" --'))
        (tmp_path / "reaper.lua").write_text(REAPER)
        words = ["lua5.4", str(tmp_path / "reaper.lua"), str(tmp_path), state, str(mine)]
        done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True, env=SERVER_ENVIRONMENT)
        stream.close()
    assert done.stdout.splitlines() == [
        f"cursor {place}", "insert .mid 1", f"cursor {place}", "insert .wav 1", f"cursor {place}",
    ]  # fmt: skip


@pytest.mark.skipif(shutil.which("lua5.4") is None, reason="Lua (package lua5.4) is not installed")
def test_the_reascript_says_why_it_keeps_nothing(tmp_path):
    (tmp_path / "reaper.lua").write_text(REAPER)
    script = (FOLDER / "reaper" / "backline_keep.lua").read_text().replace('"backline" --', '"no-such-backline" --')
    (tmp_path / "keep.lua").write_text(script)
    words = ["lua5.4", str(tmp_path / "reaper.lua"), str(tmp_path), "stopped", str(tmp_path / "keep.lua")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.startswith("box ")
    assert "insert" not in done.stdout
