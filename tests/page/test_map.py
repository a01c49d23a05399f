"""The map of a model's space on the page: what it shows, what a hand on it sets, and the text that is a path."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.model_file import read_manifest
from plugin_bridge.client import BridgeError

GROUND = "document.querySelector('.space canvas')"
SAID = "document.querySelector('[data-is=said]').textContent"
NAMELESS = """[...document.querySelectorAll('.space button, .space canvas, .control input, .control select')].filter((one) =>
    one.offsetParent && !(one.getAttribute('aria-label') || one.ariaLabel || one.labels?.length || one.textContent.trim()))
    .map((one) => one.outerHTML)"""


@pytest.fixture(scope="module")
def server(translator_folder: Path, start_server: Callable[..., Any]) -> Iterator[Any]:
    """A server whose translator has random weights."""
    with start_server("--models", str(translator_folder), "--page", "0") as running:
        yield running


@pytest.fixture(scope="module")
def space(translator_folder: Path) -> dict[str, Any]:
    """What its manifest says of the map."""
    return dict(read_manifest(translator_folder / "translator").settings["map"])


@pytest.fixture
def played(server, page, chromium) -> Iterator[Any]:
    """A stream that plays, on the page of a browser."""
    stream = server.client.open_stream("translator", 48_000, {"direction": "play", "pace": "free"})
    chromium.look(1280)
    chromium.problems.clear()
    chromium.open(f"http://{page.host}/")
    chromium.wait_for(f"{GROUND}?.width > 100")
    yield stream
    chromium.tell("Page.navigate", url="about:blank")
    stream.close()
    assert chromium.problems == []


@pytest.fixture
def values(page, played) -> Callable[..., list[float | str]]:
    """A function (*names) -> the parameters' values as the server has them."""

    def ask(*names: str) -> list[float | str]:
        return [page.json(f"/backline/stream/{played.number}/{name}?VALUE")["VALUE"][0] for name in names]

    return ask


def place(chromium, x: float, y: float) -> dict[str, float]:
    """Return where a place on the map is in the window."""
    left, top, size = chromium.value(
        f"(() => {{ const it = {GROUND}; it.scrollIntoView({{block: 'center'}}); const box = it.getBoundingClientRect(); "
        "return [box.x, box.y, box.width]; })()"
    )
    return {"x": left + (x / 1.5 + 1) / 2 * size, "y": top + (1 - y / 1.5) / 2 * size}


def mouse(chromium, kind: str, x: float, y: float, clicks: int = 1) -> None:
    button = "none" if kind == "mouseMoved" else "left"
    chromium.tell("Input.dispatchMouseEvent", type=kind, button=button, clickCount=clicks, **place(chromium, x, y))


def key(chromium, name: str, modifiers: int = 0) -> None:
    code = {"Escape": 27, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}[name]
    chromium.tell(
        "Input.dispatchKeyEvent", type="keyDown", key=name, code=name, windowsVirtualKeyCode=code, modifiers=modifiers
    )
    chromium.tell("Input.dispatchKeyEvent", type="keyUp", key=name, code=name, windowsVirtualKeyCode=code)


def shown(chromium, name: str) -> str:
    """Return how a slider's number becomes visible on the page: an expression."""
    return f"document.querySelector('[data-parameter={name}] [type=number]').value"


def likeliest(space: dict[str, Any], kind: str, x: float, y: float) -> str:
    """Return what the map says there, interpolated between the four nearest of its places."""
    grid, rows = np.array(space["grid"]), np.array(space[kind])
    across = np.array([[np.interp(x, grid, row[:, symbol]) for symbol in range(rows.shape[2])] for row in rows])
    chances = np.array([np.interp(y, grid, across[:, symbol]) for symbol in range(rows.shape[2])])
    names = list(space["places"]) if kind == "instrument" else list(next(iter(space["places"].values())))
    return f"{names[int(chances.argmax())].replace('_', ' ')} {int(np.floor(100 * chances.max() + 0.5))} %"


def test_a_drag_moves_the_place_and_says_what_is_there(chromium, played, values, space):
    mouse(chromium, "mouseMoved", -0.75, 0.3)
    chromium.wait_for("document.querySelector('[data-is=where]').textContent === 'Under the pointer'")
    assert chromium.value(SAID).startswith(likeliest(space, "instrument", -0.75, 0.3))
    assert values("map", "map_x", "map_y") == [0, 0, 0], "who only looks moves nothing"
    mouse(chromium, "mousePressed", -0.75, 0.3)
    for x in np.linspace(-0.75, 0.9, 12):
        mouse(chromium, "mouseMoved", float(x), 0.6)
    mouse(chromium, "mouseReleased", 0.9, 0.6)
    chromium.wait_for(f"{shown(chromium, 'map_x')} === '0.9' && {shown(chromium, 'map')} === '1'")
    assert values("map", "map_x", "map_y") == [1, pytest.approx(0.9, abs=0.01), pytest.approx(0.6, abs=0.01)]
    assert chromium.value(SAID).startswith(likeliest(space, "instrument", 0.9, 0.6))
    chances = chromium.value(
        "[...document.querySelectorAll('[data-is=instrument] .share')].map((one) => parseInt(one.textContent))"
    )
    assert len(chances) == 8
    assert sum(chances) == pytest.approx(100, abs=5)


def test_arrow_keys_move_it_and_three_ways_let_go(chromium, played, values):
    chromium.value(f"{GROUND}.focus()")
    for name in ("ArrowRight", "ArrowRight", "ArrowUp"):
        key(chromium, name)
    key(chromium, "ArrowDown", modifiers=8)  # Shift
    chromium.wait_for(f"{shown(chromium, 'map_x')} === '0.1' && {shown(chromium, 'map_y')} === '-0.2'")
    assert values("map") == [1]
    key(chromium, "Escape")
    chromium.wait_for(f"{shown(chromium, 'map')} === '0'")
    mouse(chromium, "mousePressed", 0.5, 0.5)
    mouse(chromium, "mouseReleased", 0.5, 0.5)
    chromium.wait_for(f"{shown(chromium, 'map')} === '1'")
    mouse(chromium, "mousePressed", 0.5, 0.5, clicks=2)
    mouse(chromium, "mouseReleased", 0.5, 0.5, clicks=2)
    chromium.wait_for(f"{shown(chromium, 'map')} === '0'")
    mouse(chromium, "mousePressed", -0.5, -1.4)
    mouse(chromium, "mouseReleased", -0.5, -1.4)
    chromium.wait_for(f"{shown(chromium, 'map')} === '1'")
    chromium.click("[data-do=let-go]")
    chromium.wait_for(f"{shown(chromium, 'map')} === '0'")
    assert values("map", "map_x", "map_y") == [0, pytest.approx(-0.5, abs=0.01), pytest.approx(-1.4, abs=0.01)]


def test_a_finger_drags_it(chromium, played, values):
    chromium.tell("Emulation.setTouchEmulationEnabled", enabled=True)
    for kind, *at in (("touchStart", 0, 0), ("touchMove", 0.4, -0.4), ("touchMove", 0.8, -0.9), ("touchEnd",)):
        chromium.tell("Input.dispatchTouchEvent", type=kind, touchPoints=[place(chromium, *at)] if at else [])
    chromium.wait_for(f"{shown(chromium, 'map_x')} === '0.8' && {shown(chromium, 'map')} === '1'")
    assert values("map_y") == [pytest.approx(-0.9, abs=0.01)]
    chromium.tell("Emulation.setTouchEmulationEnabled", enabled=False)


def test_what_is_set_elsewhere_moves_the_point(server, chromium, played):
    for name, value in (("map", 1.0), ("map_x", -1.05), ("map_y", 1.2)):
        server.client.request(f"/backline/stream/{played.number}/{name}", value)
    at = place(chromium, -1.05, 1.2)
    chromium.wait_for(f"{shown(chromium, 'map_y')} === '1.2'")
    painted = chromium.wait_for(f"""(() => {{ const it = {GROUND}, box = it.getBoundingClientRect(), scale = it.width / box.width;
        const of = (x, y) => [...it.getContext('2d').getImageData((x - box.x) * scale, (y - box.y) * scale, 1, 1).data].slice(0, 3);
        const [r, g, b] = of({at["x"]}, {at["y"]}); return 0 < Math.max(r, g, b) && Math.max(r, g, b) < 60 && [r, g, b]; }})()""")
    assert painted == [0x1C, 0x1F, 0x23], "the ink of the style sheet"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_everything_has_a_name(chromium, played, dark, width):
    chromium.look(width, dark=dark, phone=width < 500)
    chromium.wait_for(f"{GROUND}.width === Math.round({GROUND}.clientWidth * devicePixelRatio)")
    assert chromium.value("document.documentElement.scrollWidth") <= width
    assert chromium.value(NAMELESS) == []
    colours = chromium.value(f"""(() => {{ const it = {GROUND}, all = it.getContext('2d').getImageData(0, 0, it.width, it.height).data;
        const seen = new Set(); for (let i = 0; i < all.length; i += 4) seen.add(all.slice(i, i + 3).join()); return seen.size; }})()""")
    assert colours > 100


def test_a_path_is_typed_and_a_wrong_one_refused(chromium, played, values):
    field = "document.querySelector('[data-parameter=path] input')"
    wrong = "document.querySelector('[data-parameter=path] .wrong').textContent"
    chromium.value(f"{field}.focus()")
    chromium.type("flute pp 0, cello 1\n")
    chromium.wait_for(f"document.activeElement !== {field}")
    while values("path") != ["flute pp 0, cello 1"]:
        pass
    chromium.value(f"{field}.select()")
    chromium.type("flute zz 0\n")
    said = chromium.wait_for(wrong)
    assert said.startswith("path has 'zz' in 'flute zz 0'; allowed: violin, cello")
    assert values("path") == ["flute pp 0, cello 1"]


def test_only_a_stream_that_is_steered_has_a_map(server, connect, space):
    live = connect("/page/live")
    streams = {}
    for direction in ("play", "listen"):
        stream = server.client.open_stream("translator", 48_000, {"direction": direction})
        news = live.until(
            lambda one, number=stream.number: any(row["stream"] == number for row in one.get("opened", ()))
        )
        streams[direction] = next(row for row in news["opened"] if row["stream"] == stream.number)
        stream.close()
    assert streams["play"]["map"] == json.loads(json.dumps(space))
    assert streams["listen"]["map"] is None


def test_a_text_is_a_string_in_the_address_space(server, page):
    stream = server.client.open_stream("translator", 48_000, {"direction": "play", "path": "piano 2"})
    address = f"/backline/stream/{stream.number}/path"
    node = page.json(address)
    assert (node["TYPE"], node["ACCESS"], node["VALUE"]) == ("s", 3, ["piano 2"])
    assert "RANGE" not in node
    assert "CLIPMODE" not in node
    assert server.client.request(address, "pp 0, ff 2") == ["pp 0, ff 2"]
    assert server.client.request("/backline/stream/set", stream.number, "path", "")[-1] == ""
    refused = {
        "flute": "a point is an instrument",
        "flute " * 80: "479 characters; allowed: 400",
        3.5: "path has '3.5'",
    }
    for wrong, sentence in refused.items():
        for words in ((address, wrong), ("/backline/stream/set", stream.number, "path", str(wrong))):
            with pytest.raises(BridgeError, match=sentence):
                server.client.request(*words)
    assert page.json(address)["VALUE"] == [""]
    with pytest.raises(BridgeError, match="path has 'kazoo' in 'kazoo 1'; allowed: violin"):
        server.client.open_stream("translator", 48_000, {"direction": "play", "path": "kazoo 1"})
    stream.close()
