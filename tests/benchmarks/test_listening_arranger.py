"""The arranger's listening page: every arrangement on one piano, the song beside it, a human's among them, and what is missing said."""

import importlib.util
import json
import shutil
import threading
from pathlib import Path
from types import SimpleNamespace

import mido
import numpy as np
import pytest
import soundfile

from benchmarks.listening_arranger import OF_ARRANGERS, main, struck
from benchmarks.listening_server import Server
from benchmarks.listening_songs import Song, songs_of
from benchmarks.performer_programs import FONTS, find_fonts
from models.arranger.chords import NONE, Chord
from server.beats_file import Beats
from server.model_store import find_model

SMALLEST_FIRST = (*reversed(FONTS),)
FONT = next((path for path in find_fonts(SMALLEST_FIRST).values() if path is not None), None)
needs_font = pytest.mark.skipif(
    FONT is None or shutil.which("fluidsynth") is None, reason=f"needs fluidsynth and one of {', '.join(FONTS)}"
)
RATE, BEATS = 22_050, 32
SONG, TITLE = "852", "a song"


def write_tracks(path: Path, tracks: dict[str, list[tuple[int, int, int]]]) -> None:
    """Write notes of (beat, beats, pitch) at 120 bpm."""
    file = mido.MidiFile(ticks_per_beat=480)
    for name, notes in tracks.items():
        track, now = mido.MidiTrack([mido.MetaMessage("track_name", name=name)]), 0
        rows = [(on, "note_on", pitch) for on, _, pitch in notes] + [
            (on + n, "note_off", pitch) for on, n, pitch in notes
        ]
        for beat, kind, pitch in sorted(rows):
            track.append(mido.Message(kind, note=pitch, velocity=80, time=480 * (beat - now)))
            now = beat
        file.tracks.append(track)
    file.save(path)


@pytest.fixture(scope="module")
def data(song, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A song of POP909 with its audio, one without any sound, and a song with its beats."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "audio").mkdir()
    for name in (SONG, "853"):
        place = folder / "midi_pop909" / name
        place.mkdir(parents=True)
        write_tracks(place / f"{name}.mid", {
            "MELODY": [(beat, 1, 76) for beat in range(0, BEATS, 2)], "BRIDGE": [(0, 4, 69)],
            "PIANO": [(beat, 1, 57) for beat in range(BEATS)],
        })  # fmt: skip
        (place / "beat_midi.txt").write_text("".join(f"{n / 2} 1.0 {float(n % 4 == 2)}\n" for n in range(BEATS)))
    for path in (folder / "audio" / f"{SONG}.flac", folder / f"{TITLE}.wav"):
        soundfile.write(path, song(RATE, BEATS)[0], RATE)
    (folder / f"{TITLE}.beats").write_text("".join(f"{n / 2} {n % 4 + 1}\n" for n in range(BEATS)))
    return folder


@pytest.fixture(scope="module")
def made(data: Path, tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """A page of both songs."""
    output, model = tmp_path_factory.mktemp("page"), find_model("arranger").path
    words = ["--data", str(data), "--variant", f"another={model}", "--variant", "none=nowhere"]
    assert (
        main([*words, "--modes", "follow", "--phrase-seconds", "4", "--font", str(FONT), "--output", str(output)]) == 0
    )
    page = (output / "index.html").read_text()
    told = json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])
    return SimpleNamespace(output=output, told=told)


@needs_font
def test_every_arrangement_is_heard_beside_the_song(made: SimpleNamespace, song):
    told, output = made.told, made.output
    assert [ask[0] for ask in told["questions"]["asks"]] == ["faithfulness", "creativity", "naturalness", "musicality"]
    assert [phrase["title"] for phrase in told["phrases"]] == [SONG, TITLE]
    names = [[row["name"] for row in phrase["versions"]] for phrase in told["phrases"]]
    ours = ["Backline's arranger", "another"]
    sung = [f"{name}, with the melody" for name in ours]
    assert names[1] == [*ours, *sung, "Block chords"]
    assert names[0] == ["A human", *ours, "A human, with the melody", *sung, "Block chords"]
    assert any("none is not heard" in sentence for sentence in told["left_out"])
    for phrase in told["phrases"]:
        assert phrase["itself"]["name"] == "The song"
        for row in (*phrase["versions"], phrase["itself"]):
            sound, rate = soundfile.read(output / row["audio"])
            assert len(sound) / rate == pytest.approx(4, abs=0.01)
            assert np.abs(sound).max() > 0.01
            assert (output / row["picture"]).exists()
    itself, _ = soundfile.read(output / told["phrases"][1]["itself"]["audio"])
    whole = song(RATE, BEATS)[0]
    first = round((6 - 0.05) * RATE)  # the middle of 16 s less 4 s is a bar's line
    assert np.corrcoef(itself, whole[first : first + len(itself)])[0, 1] > 0.99


@needs_font
def test_the_song_is_heard_by_a_key_and_not_rated(made: SimpleNamespace, tmp_path: Path):
    spec = importlib.util.spec_from_file_location("page_browser", Path(__file__).parents[1] / "page" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    browser = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(browser)
    with Server(made.output) as server, browser.open_chromium(tmp_path / "profile") as chromium:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        chromium.look(1280)
        chromium.tell("Page.navigate", url=server.url)
        chromium.wait_for("document.querySelectorAll('#questions dt').length === 4")
        chromium.click("[data-do=start]")
        chromium.wait_for("document.querySelector('.itself')?.innerText.includes('The song')")
        shown = chromium.value("document.body.innerText")
        assert not any(name in shown for name in ("Backline's", "human", "another", "Block")), "the test is blind"
        chromium.type("0")
        chromium.wait_for("players[0].key === '0' && players[0].now() > 0.2")
        chromium.type("a")
        chromium.wait_for("players[0].key === 'A' && players[0].audio.get('A').currentTime > 0.2")
        assert chromium.value("document.querySelectorAll('.points').length") == 4 * 7
        assert chromium.value("ratings.lacking(0).join('')") == "ABCDEFG"
        chromium.value("result()")
        chromium.wait_for("[...document.images].every((one) => one.complete && one.naturalWidth > 0)")
        assert chromium.value("document.querySelector('.version h3').textContent") == "The song"
        assert chromium.problems == []
        server.shutdown()
        thread.join()


@needs_font
def test_a_song_of_pop909_brings_its_beats_and_both_arrangements(data: Path):
    assert FONT is not None
    first, second = songs_of(data, FONT, 6)
    assert (first.name, second.name) == (SONG, TITLE)
    assert first.beats is not None
    assert first.beats.numbers[:7] == (3, 4, 1, 2, 3, 4, 1)
    assert {name: len(notes) for name, notes in first.human.items()} == {"out": BEATS + 1, "in": BEATS * 3 // 2 + 1}
    assert second.beats == Beats(tuple(n / 2 for n in range(BEATS)), tuple(n % 4 + 1 for n in range(BEATS)))
    assert [one.name for one in songs_of(data, FONT, 1)] == [SONG]


def test_a_part_of_a_song_takes_its_beats_and_notes_along():
    beats = Beats(tuple(n / 2 for n in range(20)), tuple(n % 4 + 1 for n in range(20)))
    notes = np.array([[n, n + 0.5, 60 + n, 80] for n in range(10)], float)
    part = Song("one", (np.arange(10_000, dtype=np.float32)[None], 1000), beats, {"out": notes}).part(2.9, 5)
    assert part.seconds == pytest.approx(2.1)
    assert part.audio[0][0, 0] == 2900
    assert part.beats is not None
    assert part.beats.seconds == pytest.approx((0.1, 0.6, 1.1, 1.6))
    assert part.beats.numbers == (3, 4, 1, 2)
    assert part.human["out"][:, [0, 2]].tolist() == [[pytest.approx(0.1), 63], [pytest.approx(1.1), 64]]


def test_block_chords_are_struck_on_bars_and_changes():
    minor, major = Chord(9, "m", 9), Chord(5, "", 0)
    notes = struck([minor] * 4 + [minor, NONE, major], np.arange(8.0), np.arange(8) % 4 == 0)
    assert sorted({(on, off) for on, off, _, _ in notes}) == [(0, 4), (4, 5), (6, 7)]
    assert [pitch for on, _, pitch, _ in notes if on == 0] == [45, 57, 60, 64]
    assert [pitch for on, _, pitch, _ in notes if on == 6] == [36, 57, 60, 65]


@needs_font
def test_without_songs_a_made_one_is_arranged(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    words = ["--modes", "plan", "--melody", "out", "--find-beats", "--font", str(FONT)]
    assert main([*words, "--phrase-seconds", "2", "--output", str(tmp_path)]) == 0
    assert "A made one is arranged" in capsys.readouterr().err
    assert "Four chords" in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--phrase-seconds", "0"], "--phrase-seconds is 0; allowed: 1 to 120"),
        (["--songs", "0"], "--songs is 0; allowed: 1 and more"),
        (["--font", "none.sf2"], "the sound font none.sf2 is not installed"),
        pytest.param(["--data", "nowhere"], "nowhere holds no song", marks=needs_font),
        pytest.param(["--model", "nobody"], "nobody arranges", marks=needs_font),
    ],
)
def test_what_cannot_be_is_refused(words: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main([*words, "--output", str(tmp_path)]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "index.html").exists()
    assert len(OF_ARRANGERS.asks) == 4


def test_a_variant_has_a_name_and_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--variant", "folder", "--output", str(tmp_path)])
    assert "folder; allowed: NAME=FOLDER" in capsys.readouterr().err
