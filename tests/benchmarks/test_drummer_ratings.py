"""The page of drums asks the paper's four questions in a real browser, and the evaluator learns from what it saved."""

import importlib.util
import json
import threading
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile

from benchmarks.drummer_ratings import main, mixed
from benchmarks.listening_server import RATINGS, Server
from models.drummer.published.evaluator import QUESTIONS, Evaluator

RATE = 22_050
SECONDS = 6.1


def load(place: str) -> ModuleType:
    """A conftest of other tests as a module."""
    path = Path(__file__).parents[1] / place / "conftest.py"
    spec = importlib.util.spec_from_file_location(place.replace("/", "_"), path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four songs, each with drums that go with it and drums that do not."""
    made, folder = load("drummer/published"), tmp_path_factory.mktemp("clips")
    for number in range(4):
        beat, place = 0.4 + 0.03 * number, folder / f"song {number}"
        place.mkdir()
        soundfile.write(place / "bass.wav", made.bass(SECONDS, 48_000, number, beat), 48_000)
        for name, seed, own in (("drums", 1, beat), ("with it", 2, beat), ("against it", 3, 0.31)):
            soundfile.write(place / f"{name}.wav", made.drums(SECONDS, RATE, seed + 10 * number, own), RATE)
    return folder


def test_a_mix_is_the_sum_of_both():
    bass, drums = np.full((1, 4800), 0.25, np.float32), np.full((1, 1000), 0.5, np.float32)
    sound, rate = mixed((bass, 48_000), (drums, 24_000))
    assert (sound.shape, rate) == ((1, 2400), 24_000)
    assert sound[0, 500] == pytest.approx(0.75, abs=1e-3)
    assert sound[0, 2000] == pytest.approx(0.25, abs=1e-3)
    assert np.array_equal(mixed((bass, 48_000), (drums, 24_000), alone=True)[0], drums)


def test_what_a_listener_gives_is_saved_and_learnt_from(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    words = ["--clips", str(clips), "--output", str(tmp_path), "--seconds", "4"]
    assert main(words) == 0
    told = json.loads(
        (tmp_path / "index.html").read_text().partition('type="application/json">')[2].partition("</script>")[0]
    )
    assert [phrase["title"] for phrase in told["phrases"]] == [f"song {number}" for number in range(4)]
    assert {row["name"] for row in told["phrases"][0]["versions"]} == {"The song's own", "with it", "against it"}
    assert [ask[0] for ask in told["questions"]["asks"]] == list(QUESTIONS)
    points = {"The song's own": 10, "with it": 8, "against it": 2}
    rows = [
        {"phrase": f"song {number}", "version": version, "letter": "A"} | dict.fromkeys(QUESTIONS, given)
        for number in range(4)
        for version, given in points.items()
    ]
    (tmp_path / RATINGS).write_text(json.dumps({"listener": "one", "ratings": rows}) + "\n")
    capsys.readouterr()
    assert main([*words, "--train", str(tmp_path / "evaluator.json")]) == 0
    said = capsys.readouterr().out
    assert "1 listeners, 8 clips, 50% of them good" in said
    assert "as people do on songs not learnt from: 100%; always the commoner: 50%" in said
    assert Evaluator.load(tmp_path / "evaluator.json").weights.shape == (260,)


def test_a_song_without_its_drums_and_ratings_of_others_are_refused(
    clips: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    assert main(["--clips", str(tmp_path), "--output", str(tmp_path / "page")]) == 2
    assert "holds no folders of songs" in capsys.readouterr().err
    (tmp_path / "song").mkdir()
    soundfile.write(tmp_path / "song" / "bass.wav", np.zeros(100), RATE)
    assert main(["--clips", str(tmp_path), "--output", str(tmp_path / "page")]) == 2
    assert "holds no drums: a song has bass, drums and the versions to be rated" in capsys.readouterr().err
    (tmp_path / RATINGS).write_text('{"listener": "one", "ratings": []}\n')
    assert main(["--clips", str(clips), "--output", str(tmp_path), "--train", str(tmp_path / "x.json")]) == 2
    assert "rates no clip of" in capsys.readouterr().err


def test_a_listener_gives_ten_points_to_four_questions(clips: Path, tmp_path: Path):
    page = tmp_path / "page"
    assert main(["--clips", str(clips), "--output", str(page), "--seconds", "2"]) == 0
    with Server(page) as server, load("page").open_chromium(tmp_path / "profile") as browser:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            browser.look(1280)
            browser.tell("Page.navigate", url=server.url)
            browser.wait_for("document.querySelectorAll('#questions dt').length === 4")
            browser.wait_for("document.getElementById('begin-title').textContent === 'Are these drums good?'")
            browser.click("[data-do=start]")
            for number in range(4):
                browser.wait_for(f"document.getElementById('progress').textContent === 'phrase {number + 1} of 4'")
                assert browser.value("document.querySelectorAll('.points').length") == 12
                assert browser.value("document.documentElement.scrollWidth") <= 1280
                browser.value(
                    "document.querySelectorAll('.points').forEach((row) => row.querySelectorAll('input')[6].click())"
                )
                browser.wait_for("document.getElementById('lacking').textContent === 'All rated.'")
                if number == 0:
                    browser.look(390, phone=True)
                    assert browser.value("document.documentElement.scrollWidth") <= 390
                    browser.look(1280)
                browser.click("[data-do=next]")
            browser.wait_for("document.getElementById('kept').textContent.includes('ratings.jsonl')")
        finally:
            server.shutdown()
            thread.join()
    record = json.loads((page / RATINGS).read_text())
    assert len(record["ratings"]) == 12
    assert all(row[name] == 7 for row in record["ratings"] for name in QUESTIONS)
