"""`train arranger --network ear`, from a tiny POP909 and its bands to an ear and what it hears; what is there is not made again."""

import shutil
from pathlib import Path

import mido
import numpy as np
import pytest

from models.arranger import ear_lessons
from models.arranger.config import BANDS, HEARD, PITCHES
from models.arranger.ear_training import CHECKPOINT
from models.layers.checkpoint import read_card
from server.cli import main

TRAIN, KEPT_ASIDE, BEATS = "001", "831", 40
CHORDS = (("A:min", (45, 60, 64)), ("F:maj", (41, 60, 65)), ("C:maj", (48, 60, 64)), ("G:maj", (43, 59, 62)))
FONTS = sorted((p for f in ear_lessons.FONT_FOLDERS for p in f.glob("*.sf[23]")), key=lambda path: path.stat().st_size)
FONT = FONTS[0].name if FONTS else ""


def write_tracks(path: Path, tracks: dict[str, list[tuple[int, int]]]) -> None:
    """Write notes of (beat, pitch), a beat each, at 120 bpm; those of Drum on its channel."""
    file = mido.MidiFile(ticks_per_beat=480)
    for name, notes in tracks.items():
        channel = 9 if name == "Drum" else 0
        track, now = mido.MidiTrack([mido.MetaMessage("track_name", name=name)]), 0
        rows = [(480 * beat, "note_on", pitch) for beat, pitch in notes] + [
            (480 * beat + 470, "note_off", pitch) for beat, pitch in notes
        ]
        for tick, kind, pitch in sorted(rows):
            track.append(mido.Message(kind, channel=channel, note=pitch, velocity=80, time=tick - now))
            now = tick
        file.tracks.append(track)
    file.save(path)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two songs of ten bars, one of them kept aside, with a band each, and one without."""
    folder = tmp_path / "data"
    (folder / ear_lessons.BANDS).mkdir(parents=True)
    for name in (TRAIN, KEPT_ASIDE, "002"):
        place = folder / ear_lessons.SONGS / name
        place.mkdir(parents=True)
        bars = [CHORDS[beat // 4 % 4][1] for beat in range(BEATS)]
        write_tracks(place / f"{name}.mid", {
            "MELODY": [(beat, tones[1] + 12) for beat, tones in enumerate(bars) if beat % 2],
            "BRIDGE": [(0, 84)], "PIANO": [(beat, tone) for beat, tones in enumerate(bars) for tone in tones],
        })  # fmt: skip
        (place / "beat_midi.txt").write_text("".join(f"{n / 2} 1.0 {float(n % 4 == 0)}\n" for n in range(BEATS + 1)))
        (place / "chord_midi.txt").write_text(
            "".join(f"{2 * n}\t{2 * n + 2}\t{CHORDS[n % 4][0]}\n" for n in range(BEATS // 4))
        )
        if name != "002":
            write_tracks(folder / ear_lessons.BANDS / f"{name}_0.mid", {
                "Bass": [(beat, tones[0] - 12) for beat, tones in enumerate(bars)],
                "Guitar": [(beat, tone) for beat, tones in enumerate(bars) for tone in tones[1:]],
                "Drum": [(beat, 38 if beat % 2 else 36) for beat in range(BEATS)],
            })  # fmt: skip
    return folder


def stamps(folder: Path) -> dict[str, int]:
    """Return when each file of renders and of what was heard was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in sorted(folder.glob("*/*.npz"))}


@pytest.mark.skipif(not FONT or shutil.which("fluidsynth") is None, reason="needs fluidsynth and any sound font")
def test_an_ear_is_trained_hears_all_songs_and_goes_on(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys
):
    monkeypatch.setattr(ear_lessons, "FONTS", (FONT,))
    monkeypatch.setattr(ear_lessons, "HELD_OUT_FONT", FONT)
    monkeypatch.setattr(ear_lessons, "QUIET_CLIPS", 1)
    monkeypatch.setattr(ear_lessons, "VERSIONS", (0,))
    run = tmp_path / "run"

    def train(minutes: float) -> int:
        words = ["--data", str(data), "--output", str(run), "--minutes", f"{minutes:.4f}", "--hours", "1"]
        return main(["train", "arranger", "--network", "ear", *words])

    assert train(0.01) == 0
    assert f"wrote {run / CHECKPOINT}" in capsys.readouterr().out
    made = stamps(run)
    songs = (f"{TRAIN}_0", f"{KEPT_ASIDE}_0")
    assert set(made) == {f"renders/{song}.npz" for song in songs} | {f"heard/{song}_0.npz" for song in songs}
    for song in songs:
        with np.load(run / "renders" / f"{song}.npz") as render:
            frames = len(render["spectra"])
            assert render["spectra"].shape == (frames, BANDS)
            assert frames / 50 > BEATS / 2 * float(render["ratio"]) - 1
            assert np.ptp(render["spectra"]) > 100
            assert "part Bass" in render.files
        with np.load(run / "heard" / f"{song}_0.npz") as heard:
            assert heard["heard"].shape == (4 * BEATS, len(HEARD), PITCHES)
            assert len(heard["chords"]) == BEATS
    first = read_card(run / CHECKPOINT)
    assert int(first["step"]) >= 1

    assert train(0.01) == 0
    assert stamps(run) == made
    assert read_card(run / CHECKPOINT)["step"] == first["step"], "its minutes are used up"

    assert train(float(first["minutes"]) + 0.005) == 0
    assert stamps(run) == made
    assert int(read_card(run / CHECKPOINT)["step"]) > int(first["step"])


def test_data_without_bands_or_songs_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert (
        main(["train", "arranger", "--network", "ear", "--data", str(tmp_path), "--output", str(tmp_path / "run")]) == 2
    )
    assert f"there is no folder {tmp_path / ear_lessons.SONGS}" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
