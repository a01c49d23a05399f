"""The listening page: phrases cut where the music rests, equally loud, rated in a real browser, saved beside the page."""

import importlib.util
import json
import threading
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any  # a browser's answers are JSON

import mido
import numpy as np
import pytest
import soundfile

from benchmarks.listening import main
from benchmarks.listening_phrases import ROWS, SPECTRUM_HZ, equally_loud, places, spectrum, write_score
from benchmarks.listening_server import MOST_BYTES, RATINGS, Server
from benchmarks.performer_programs import find_fonts

FONT = "TimGM6mb.sf2"
RATE = 32_000
NOTES = [(0.1 + 0.5 * n + (n // 4), 0.5 + 0.5 * n + (n // 4), 60 + 2 * (n % 4), 80) for n in range(16)]
"""Groups of four notes, a second's rest between them: onset, offset, pitch, velocity."""
VOICES = "[...document.querySelectorAll('.version h3')].map((one) => one.textContent)"


@pytest.fixture(scope="session")
def browser() -> ModuleType:
    """The module that drives Chromium for the tests of the server's page."""
    path = Path(__file__).parents[1] / "page" / "conftest.py"
    spec = importlib.util.spec_from_file_location("page_browser", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a recording that is called after a piece of its own, and the notes it plays."""
    folder = tmp_path_factory.mktemp("data")
    write_score(folder / "tune.mid", np.array(NOTES))
    time = np.arange(round(12 * RATE)) / RATE
    sound = sum(
        0.2 * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * ((time >= on) & (time < off))
        for on, off, pitch, _ in NOTES
    )
    soundfile.write(folder / "tune.wav", sound, RATE)
    return folder


@pytest.fixture(scope="module")
def made(data: Path, chime_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A page of two phrases by a recording, a player of ours and, where there is FluidSynth, a sound font."""
    output = tmp_path_factory.mktemp("page")
    words = ["--data", str(data), "--pieces", "tune", "--phrases", "2", "--phrase-seconds", "2"]
    words += ["--fonts", FONT, "none.sf2", "--model", str(chime_folder / "chime.onnx")]
    assert main([*words, "--published", str(data / "none.safetensors"), "--output", str(output)]) == 0
    page = (output / "index.html").read_text()
    told = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    return SimpleNamespace(output=output, data=told, voices={row["name"] for row in told["phrases"][0]["versions"]})


@pytest.fixture
def served(made: SimpleNamespace) -> Iterator[Server]:
    """The page at a port."""
    with Server(made.output) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()
    (made.output / RATINGS).unlink(missing_ok=True)


def post(server: Server, body: bytes, **headers: str) -> int:
    """Send ratings; return the status."""
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=20)
    connection.request("POST", "/ratings", body, {"Content-Type": "application/json"} | headers)
    status = connection.getresponse().status
    connection.close()
    return status


def test_phrases_begin_and_end_where_the_music_rests():
    found = places(np.array(NOTES, float), 2, 2.0)
    groups = [NOTES[n][0] for n in range(0, 16, 4)]
    assert len(found) == 2
    for start, end in found:
        assert min(abs(start + 0.1 - onset) for onset in groups) == pytest.approx(0, abs=1e-9)
        assert 1.4 < end - start < 3.4
    assert found[0][1] <= found[1][0]
    assert places(np.array(NOTES[:4], float), 3, 12.0) == [(0.0, pytest.approx(NOTES[3][1] + 0.3))]
    assert places(np.zeros((0, 4)), 3, 12.0) == []


def test_versions_are_equally_loud_and_long(noise: Callable[..., Any]):
    peaky = np.zeros((1, 30_000), np.float32)
    peaky[0, 5000:5040] = 0.5
    versions = [(noise(48_000, level=0.01), 48_000), (peaky, 16_000), (np.zeros((1, 100), np.float32), 44_100)]
    made = equally_loud(versions, 2.0)
    assert [samples.shape for samples, _ in made] == [(1, 96_000), (1, 32_000), (1, 88_200)]
    levels = [float(np.sqrt(np.mean(samples**2))) for samples, _ in made]
    assert levels[0] == pytest.approx(levels[1], rel=1e-4)
    assert levels[2] == 0
    assert max(float(np.abs(samples).max()) for samples, _ in made) <= 0.9


def test_a_tone_is_bright_at_its_frequency():
    tone = np.sin(2 * np.pi * 1000 * np.arange(RATE) / RATE)[None].astype(np.float32)
    row = int(spectrum(tone, RATE)[:, 600].argmax())
    low, high = SPECTRUM_HZ
    assert low * (high / low) ** ((row + 0.5) / ROWS) == pytest.approx(1000, rel=0.03)


def test_the_page_holds_what_it_plays_and_says_what_it_lacks(made: SimpleNamespace, noise: Callable[..., Any]):
    assert {"Recording", "Backline's performer"} <= made.voices
    assert any("none.safetensors" in sentence for sentence in made.data["left_out"])
    assert any("none.sf2" in sentence for sentence in made.data["left_out"])
    rows = [row for phrase in made.data["phrases"] for row in phrase["versions"]]
    kept = {path.relative_to(made.output).as_posix() for path in (made.output / "media").iterdir()}
    assert kept == {row[kind] for row in rows for kind in ("audio", "picture")}
    for phrase in made.data["phrases"]:
        for row in phrase["versions"]:
            assert soundfile.info(made.output / row["audio"]).duration == pytest.approx(phrase["seconds"], abs=0.01)
    text = "".join(path.read_text() for path in made.output.iterdir() if path.is_file())
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


def test_without_recordings_a_tune_is_played(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["--fonts", "--output", str(tmp_path), "--model", "nobody", "--data", str(tmp_path / "none")]) == 2
    assert "There is no recording to compare with" in capsys.readouterr().err
    assert main(["--fonts", "--output", str(tmp_path), "--model", "nobody"]) == 2
    said = capsys.readouterr().err
    assert "no folder of recordings was given (--data)" in said
    assert "there is no model 'nobody'" in said
    assert "nobody plays" in said
    if find_fonts((FONT,))[FONT] is not None:
        assert main(["--fonts", FONT, "--output", str(tmp_path), "--model", "nobody"]) == 0
        assert "Ode to Joy" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--phrases", "0"], "0; allowed: 1 to 1000"),
        (["--phrase-seconds", "nan"], "nan; allowed: 1 to 120 seconds"),
    ],
)
def test_a_wrong_number_is_refused(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main([*words, "--output", str(tmp_path)])
    assert said in capsys.readouterr().err


def test_ratings_are_taken_from_this_page_alone(made: SimpleNamespace, served: Server):
    path, good = made.output / RATINGS, b'{"page": "x", "ratings": []}'
    assert post(served, good) == 204
    assert json.loads(path.read_text()) == {"page": "x", "ratings": []}
    assert post(served, b"[1]") == post(served, b"{") == post(served, b"[" * 100_000) == 400
    assert post(served, good, Host="example.org") == 403
    assert post(served, good, **{"Content-Type": "text/plain"}) == 415
    assert post(served, b"", **{"Content-Length": str(MOST_BYTES + 1)}) == 413
    assert path.read_text().count("\n") == 1
    connection = HTTPConnection("127.0.0.1", served.server_port, timeout=20)
    connection.request("GET", "/media/")
    assert connection.getresponse().status == 404
    connection.close()


def test_a_listener_rates_blindly_and_sees_who_was_who(
    made: SimpleNamespace, served: Server, browser: ModuleType, tmp_path: Path
):
    with browser.open_chromium(tmp_path / "profile") as chromium:
        chromium.look(1280)
        chromium.tell("Page.navigate", url=served.url)
        chromium.wait_for(
            "document.getElementById('begin')?.hidden === false && document.querySelectorAll('#questions dt').length === 5"
        )
        chromium.click("[data-do=start]")
        given = [rate_phrase(chromium, made, number) for number in range(2)]
        chromium.wait_for("document.getElementById('kept').textContent.includes('ratings.jsonl')")
        record = json.loads((made.output / RATINGS).read_text())
        assert len(record["ratings"]) == 2 * len(made.voices)
        for row in record["ratings"]:
            number = [phrase["title"] for phrase in made.data["phrases"]].index(row["phrase"])
            assert [row[name] for name in ("timbre", "naturalness", "quality", "emotion", "overall")] == given[number][
                row["letter"]
            ]
        means = chromium.value("""Object.fromEntries([...document.querySelectorAll('#tables tbody tr')].map((row) =>
            [row.cells[0].textContent, [...row.cells].slice(1).map((cell) => Number(cell.textContent))]))""")
        assert set(means) == made.voices
        own = [row["overall"] for row in record["ratings"] if row["version"] == "Recording"]
        assert means["Recording"][4] == pytest.approx(np.mean(own), abs=0.051)
        chromium.wait_for("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
        assert len(chromium.value(VOICES)) == 2 * len(made.voices)
        chromium.tell("Page.reload")
        chromium.wait_for("document.getElementById('kept')?.textContent.includes('ratings.jsonl')")
        assert (made.output / RATINGS).read_text().count("\n") == 1, "a reload sends nothing again"
        chromium.look(390, phone=True)
        assert chromium.value("document.documentElement.scrollWidth") <= 390
        assert chromium.problems == [] or all("ratings.jsonl" in problem for problem in chromium.problems)


def rate_phrase(chromium: Any, made: SimpleNamespace, number: int) -> dict[str, list[int]]:
    """Hear and rate a phrase; return the points by letter."""
    chromium.wait_for(f"document.getElementById('progress').textContent === 'phrase {number + 1} of 2'")
    shown = chromium.value("document.body.innerText")
    assert not any(voice in shown for voice in made.voices), "the test is blind"
    chromium.click("[data-key=A]")
    chromium.wait_for("players[0].key === 'A' && players[0].now() > 0.2")
    chromium.type("b")
    chromium.wait_for("players[0].key === 'B' && players[0].audio.get('B').currentTime > 0.2")
    chromium.type("b")
    chromium.wait_for("players[0].key === null")
    points = {
        chr(65 + place): [1 + (place + question + number) % 5 for question in range(5)]
        for place in range(len(made.voices))
    }
    assert chromium.value("document.querySelector('[data-do=next]').disabled")
    for letter, row in points.items():
        for place, value in enumerate(row):
            group = f"document.querySelectorAll('[name^=\"{letter}-\"]')"
            chromium.value(f"{group}[{5 * place + value - 1}].click()")
    chromium.wait_for("document.getElementById('lacking').textContent === 'All rated.'")
    chromium.click("[data-do=next]")
    return points


def test_a_phrase_s_score_is_its_own_stretch(data: Path, tmp_path: Path):
    from benchmarks.listening_phrases import cut_phrases

    phrases = cut_phrases(data / "tune.wav", data / "tune.mid", 2, 2.0, tmp_path)
    for phrase in phrases:
        assert phrase.recording is not None
        assert phrase.recording[0].shape[1] == pytest.approx(phrase.seconds * phrase.recording[1], abs=1)
        assert 1.4 < mido.MidiFile(phrase.score).length <= phrase.seconds + 0.01
