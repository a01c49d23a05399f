"""The page in a real browser: it shows what plays, its controls do what they say, and it can be read by everybody."""

import io
import json
import signal
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import mido
import numpy as np
import pytest

from plugin_bridge.client import BridgeClient
from server.server_process import server_process

TAKE = Path(__file__).parents[2] / "server" / "takes" / "take.mid"
NAMES = ("C", "C♯", "D", "D♯", "E", "F", "F♯", "G", "G♯", "A", "A♯", "B")
HOP = 768
CARD = "document.querySelector('.stream')"
PAINTED = """(() => { const it = document.querySelector('.stream canvas');
    const all = it.getContext('2d').getImageData(0, 0, it.width, it.height).data;
    const seen = {}; for (let i = 0; i < all.length; i += 4) { const key = all.slice(i, i + 3).join(); seen[key] = (seen[key] || 0) + 1; }
    return seen; })()"""
NAMELESS = """[...document.querySelectorAll('button, input, select, canvas, [role=meter]')].filter((one) => one.offsetParent &&
    !(one.ariaLabel || one.getAttribute('aria-label') || one.labels?.length || one.textContent.trim())).map((one) => one.outerHTML)"""
CONTRAST = """(() => {
    const numbers = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (one) => { for (; one; one = one.parentElement) { const c = numbers(getComputedStyle(one).backgroundColor);
        if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
    return [...document.querySelectorAll('body *')].filter((one) => one.offsetParent && !one.disabled &&
        [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim())).map((one) => {
            const [a, b] = [light(numbers(getComputedStyle(one).color)), light(behind(one))];
            return [(Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05), one.textContent.trim().slice(0, 30)];
        }).filter(([ratio]) => ratio < 4.5);
})()"""


def name(pitch):
    """Return a pitch as the page writes it."""
    return f"{NAMES[pitch % 12]}{pitch // 12 - 1}"


@pytest.fixture
def shown(server, page, chromium):
    """A browser with the page and no streams; what is open afterwards is closed."""
    chromium.problems.clear()
    chromium.look(1280)
    chromium.open(f"http://{page.host}/")
    yield chromium
    for number in json.loads(str(server.client.request("/backline/status")[3])):
        chromium.value(f"document.querySelector('[data-stream=\"{number}\"] [data-do=stop]')?.click()")
    chromium.wait_for("document.querySelectorAll('.stream').length === 0")
    assert chromium.problems == []


@pytest.fixture
def held(server, shown):
    """A stream that holds its chord, shown on the page."""
    stream = server.client.open_stream("held", 48_000, {"look_ahead_ms": 48, "pace": "free"})
    for start in range(0, 20 * HOP, HOP):
        stream.send(start, np.full((1, HOP), 0.5, np.float32))
        list(stream.wait(start + HOP))
    shown.wait_for(f"{CARD}?.dataset.notes === '3'")
    yield stream
    stream._socket.close()


def test_the_take_is_started_with_the_keyboard_and_its_notes_are_shown(server, shown):
    assert shown.value("document.getElementById('empty').offsetParent !== null")
    shown.value("document.querySelector('#start [name=model]').value = 'transcriber'")
    shown.value("document.querySelector('#start button').focus()")
    shown.type("\n")
    shown.wait_for(f"Number({CARD}?.dataset.notes) >= 12")
    assert shown.value("document.getElementById('empty').offsetParent === null")
    heard = shown.value("[...document.querySelectorAll('.recent li')].map((row) => row.textContent.split(',')[0])")
    true = Counter(
        name(message.note) for message in mido.MidiFile(TAKE) if message.type == "note_on" and message.velocity
    )
    assert sum(pitch in true for pitch in heard) >= 0.8 * len(heard), heard
    shown.wait_for("document.querySelector('[data-is=sounding]').textContent !== 'nothing'")
    shown.wait_for("document.querySelectorAll('[data-is=budget] dt').length === 2")
    shown.wait_for("/dB$/.test(document.querySelector('[data-is=decibels]').textContent)")
    assert {"sensitivity", "gate_db", "pedal", "swing"} <= set(
        shown.value("[...document.querySelectorAll('.controls .control')].map((one) => one.dataset.parameter)")
    )
    assert len(shown.value(PAINTED)) > 12, "the roll shows notes of several loudnesses on its grid"
    shown.click(".stream [data-do=stop]")
    shown.wait_for("document.querySelectorAll('.stream').length === 0")
    assert json.loads(str(server.client.request("/backline/status")[3])) == {}


def test_what_sounds_is_said_in_words_until_it_ends(shown, held):
    assert shown.wait_for("document.querySelector('[data-is=sounding]').textContent !== 'nothing' "
                          "&& document.querySelector('[data-is=sounding]').textContent") == "C4 E4 G4"  # fmt: skip
    for start in range(20 * HOP, 40 * HOP, HOP):
        held.send(start, np.zeros((1, HOP), np.float32))
        list(held.wait(start + HOP))
    shown.wait_for("document.querySelector('[data-is=sounding]').textContent === 'nothing'")
    shown.wait_for(
        f"document.querySelector('[data-is=budget-text]').textContent.includes('Declared: {held.latency} samples')"
    )


def test_a_typed_number_a_slider_and_a_switch_set_parameters(page, shown, held):
    base = f"/backline/stream/{held.number}"

    def becomes(parameter, value):
        deadline = time.monotonic() + 10
        while page.json(f"{base}/{parameter}?VALUE")["VALUE"] != [pytest.approx(value)]:
            assert time.monotonic() < deadline

    assert shown.wait_for("document.querySelector('[data-parameter=sensitivity] [type=number]').value === '0.5'")
    shown.value("document.querySelector('[data-parameter=sensitivity] [type=number]').select()")
    shown.type("0.72\n")
    becomes("sensitivity", 0.72)
    assert shown.wait_for("document.querySelector('[data-parameter=sensitivity] [type=range]').value === '0.72'")
    shown.click("[data-parameter=pedal] [type=checkbox]")
    becomes("pedal", False)
    shown.value("document.querySelector('[data-parameter=transpose] [type=range]').focus()")
    shown.tell("Input.dispatchKeyEvent", type="keyDown", key="ArrowRight", code="ArrowRight", windowsVirtualKeyCode=39)
    becomes("transpose", 1.0)
    shown.click("[data-parameter=gate_db] [type=range]")
    becomes("gate_db", -50.0)


def test_what_is_set_elsewhere_is_shown_and_what_is_refused_is_said(server, shown, held):
    server.client.request(f"/backline/stream/{held.number}/lowest", 40)
    shown.wait_for("document.querySelector('[data-parameter=lowest] [type=number]').value === '40'")
    assert "E2" in shown.value("document.querySelector('[data-parameter=lowest]').textContent")
    shown.value("document.querySelector('[data-parameter=highest] [type=number]').select()")
    shown.type("500\n")
    shown.wait_for(
        "document.querySelector('[data-parameter=highest] .wrong').textContent === \"highest is '500'; allowed: 0 to 127 pitch\""
    )


def test_a_stream_for_a_client_of_ones_own_is_opened_by_the_form(server, shown):
    shown.value("""(() => { const form = document.getElementById('start'); form.model.value = 'probe'; form.source.value = 'client';
        form.source.dispatchEvent(new Event('change', {bubbles: true})); form.rate.value = '96000'; form.requestSubmit(); })()""")
    said = shown.wait_for(
        "document.getElementById('start-note').textContent.includes('is open') && document.getElementById('start-note').textContent"
    )
    row = json.loads(str(server.client.request("/backline/status")[3]))
    ((number, stream),) = row.items()
    assert said == f"Stream {number} is open: send audio to port {stream['port']}."
    assert (stream["model"], stream["rate"]) == ("probe", 96_000)
    shown.wait_for(f"{CARD}?.dataset.stream === '{number}'")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_and_can_be_read_in_every_light(shown, held, tmp_path, dark, width):
    shown.look(width, dark=dark, phone=width < 500)
    shown.wait_for("document.querySelectorAll('[data-is=counts] dt').length === 6")
    assert shown.value("document.documentElement.scrollWidth") <= width
    assert shown.value(CONTRAST) == []
    assert shown.value(NAMELESS) == []
    image = shown.picture(tmp_path / "page.png")
    from PIL import Image

    shot = Image.open(io.BytesIO(image)).convert("L")
    assert (np.asarray(shot).mean() < 100) == dark


def test_the_wheel_bends_a_note_on_the_roll(shown):
    """A semitone up is a row up; a row of 25 is (300 - 18) / 25 pixels high."""
    middles = shown.value("""(async () => {
        const { Roll } = await import('/page/roll.js');
        const paint = (events) => {
            const canvas = document.createElement('canvas');
            Object.assign(canvas.style, { width: '800px', height: '300px' });
            document.body.append(canvas);
            const roll = new Roll(canvas, 48000);
            for (const event of events) roll.event(event);
            roll.at(48000);
            roll.draw(performance.now());
            canvas.remove();
            return { roll, column: (x) => [...canvas.getContext('2d').getImageData(x, 0, 1, 282).data] };
        };
        const note = paint([[0, 0, 0x90, 60, 100], [0, 24000, 0xe0, 0, 96]]), empty = paint([]);
        Object.assign(empty.roll, { low: note.roll.low, high: note.roll.high });
        const middle = (x) => { const was = empty.column(x); const rows = note.column(x).map((v, i) => v !== was[i] ? i >> 2 : -1);
            const lit = rows.filter((row) => row >= 0); return (Math.min(...lit) + Math.max(...lit)) / 2; };
        return [middle(718), middle(764)]; })()""")
    assert middles[0] - middles[1] == pytest.approx(282 / 25, abs=1)


def test_with_motion_reduced_the_roll_stands_still(shown, held):
    shown.look(1280, still=True)
    strip = "document.querySelector('.stream canvas').getContext('2d').getImageData(300, 60, 600, 1).data.join()"
    before = shown.value(
        f"new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done({strip}))))"
    )
    for start in range(20 * HOP, 60 * HOP, HOP):
        held.send(start, np.zeros((1, HOP), np.float32))
        list(held.wait(start + HOP))
    shown.wait_for("document.querySelector('[data-is=sounding]').textContent === 'nothing'")
    assert shown.value(strip) == before


def test_a_server_that_comes_back_is_found_again(start_server, find_page, chromium):
    with start_server("--page", "0") as server:
        page = find_page(server)
        chromium.look(1280)
        chromium.open(f"http://{page.host}/")
        server.process.send_signal(signal.SIGKILL)
        server.process.wait(10)
        chromium.wait_for("document.getElementById('link').dataset.state === 'lost'")
        with start_server("--page", str(page.port)) as again:
            find_page(again)
            chromium.wait_for("document.getElementById('link').dataset.state === 'open'")
            chromium.wait_for(f"document.getElementById('server').textContent.includes('{again.port}')")
    chromium.tell("Page.navigate", url="about:blank")
    chromium.problems.clear()  # it found nobody while there was nobody


def test_what_was_just_played_is_kept_with_one_click(chromium, find_page, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with server_process(["--page", "0"]) as (process, host, port):
        chromium.look(1280)
        chromium.open(f"http://{find_page(SimpleNamespace(process=process)).host}/")
        client = BridgeClient(host, port)
        stream = client.open_stream("probe", 48_000, {"pace": "free"})
        audio = np.zeros((1, 4800), np.float32)
        audio[0, 1000] = 0.9
        for start in (0, 4800):
            stream.send(start, audio)
            list(stream.wait(start + 4800))
        chromium.wait_for("document.querySelector('[data-do=keep]')?.disabled === false")
        chromium.click("[data-do=keep]")
        said = chromium.wait_for("document.querySelector('.stream [data-is=note]').textContent")
        assert said.startswith("Kept: ")
        paths = [Path(word) for word in said.removeprefix("Kept: ").split(" and ")]
        assert [path.suffix for path in paths] == [".mid", ".wav"]
        assert all(path.parent == tmp_path / "Backline" and path.stat().st_size for path in paths)
        chromium.tell("Page.navigate", url="about:blank")
        stream.close()
        client.close()


def test_a_stream_is_opened_in_the_direction_that_is_chosen(start_server, find_page, chromium, mirror_folder):
    with start_server("--models", str(mirror_folder)) as server:
        chromium.look(1280)
        chromium.open(f"http://{find_page(server).host}/")
        chromium.wait_for("[...document.getElementById('start').model.options].some((one) => one.value === 'mirror')")
        choices = chromium.value("""(() => { const form = document.getElementById('start'); form.model.value = 'mirror';
            form.source.value = 'client'; form.model.dispatchEvent(new Event('change', {bubbles: true}));
            const names = () => [...form.querySelectorAll('[name^=choice-]')].map((one) => one.name.slice(7)), first = names();
            form.elements['choice-direction'].value = 'play';
            form.elements['choice-direction'].dispatchEvent(new Event('change', {bubbles: true}));
            return [first, names(), form.elements['choice-direction'].value]; })()""")
        assert choices == [["stream", "direction", "quantise", "mpe"], ["stream", "direction"], "play"]
        chromium.value("document.getElementById('start').requestSubmit()")
        chromium.wait_for(f"{CARD}?.dataset.stream")
        ((_, row),) = server.rows().items()
        assert row["model"] == "mirror"
        assert chromium.problems == []
        chromium.tell("Page.navigate", url="about:blank")
