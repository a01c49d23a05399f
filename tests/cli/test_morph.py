"""`backline run` on MIDI through a space: a morph, a path, and what is no path."""

from pathlib import Path

import mido
import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One A4 of two seconds at 120 beats a minute."""
    path = tmp_path_factory.mktemp("clip") / "clip.mid"
    notes = [mido.Message("note_on", note=69, velocity=90), mido.Message("note_off", note=69, time=4 * 480)]
    mido.MidiFile(tracks=[mido.MidiTrack(notes)], ticks_per_beat=480).save(path)
    return path


@pytest.fixture
def play(backline, clip, translator_folder, tmp_path):
    """A function (*settings) -> (samples, rate): the clip as the command plays it."""

    def run(*settings: str) -> tuple[np.ndarray, int]:
        words = [word for setting in settings for word in ("--set", setting)]
        said = backline("run", "translator", clip, "-o", tmp_path / "a.wav", "--models", translator_folder, *words)
        assert (said.code, said.err, said.out) == (0, "", f"wrote {tmp_path / 'a.wav'}\n")
        return soundfile.read(tmp_path / "a.wav")

    return run


def steady(sound: tuple[np.ndarray, int], begin: float, end: float) -> np.ndarray:
    audio, rate = sound
    return audio[round(begin * rate) : round(end * rate)]


def test_a_morph_is_between_its_ends_and_reaches_them(play):
    flute, violin = play("instrument=flute"), play("instrument=violin")
    half, whole = (play("instrument=flute", "morph_instrument=violin", f"morph={share}") for share in (0.5, 1))
    ends, ways = (steady(one, 0.5, 1.5) for one in (flute, violin)), [steady(one, 0.5, 1.5) for one in (half, whole)]
    first, last = ends
    assert np.allclose(ways[1], last, atol=1e-6)
    assert np.abs(first - last).max() > 1e-4
    for end in (first, last):
        assert np.abs(ways[0] - end).max() > 1e-5


def test_a_path_is_at_its_places_at_its_times(play):
    """In the file it lies on the clip: what was said of a time is heard there."""
    way = play("path=flute pp 0, violin ff 1")
    flute, violin = (play(f"path={label} 0") for label in ("flute pp", "violin ff"))
    assert np.allclose(steady(way, 1.5, 1.9), steady(violin, 1.5, 1.9), atol=2e-5)
    apart = np.abs(steady(flute, 0.3, 1) - steady(violin, 0.3, 1)).max()
    early = np.abs(steady(way, 0.05, 0.15) - steady(flute, 0.05, 0.15)).max()
    assert early < 0.5 * apart


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("path=flute zz 0", "path has 'zz' in 'flute zz 0'; allowed: violin, cello, double_bass, flute, "),
        ("path=flute pp 0, cello", "path has 'cello'; a point is an instrument, a dynamic or both"),
        (f"path={'flute 1,' * 60}", "480 characters; allowed: 400 in one line"),
        ("morph=2", "morph is '2'; allowed: 0 to 1"),
    ],
)
def test_what_is_no_path_is_one_sentence_and_leaves_no_file(
    backline, clip, translator_folder, tmp_path, setting, sentence
):
    said = backline(
        "run", "translator", clip, "-o", tmp_path / "a.wav", "--models", translator_folder, "--set", setting
    )
    assert sentence in said.sentence
    assert not (tmp_path / "a.wav").exists()


def test_the_real_command_says_the_same(command_line, clip, translator_folder, tmp_path):
    words = ("run", "translator", clip, "-o", tmp_path / "a.wav", "--models", translator_folder, "--set")
    played = command_line(*words, "path=flute pp 0, violin ff 4")
    assert (played.returncode, played.stderr) == (0, "")
    assert np.abs(soundfile.read(tmp_path / "a.wav")[0]).max() > 1e-4
    refused = command_line(*words, "path=flute pp")
    assert refused.returncode == 2
    assert refused.stderr == "backline: path has 'flute pp', in which its time is 'pp'; allowed: 0 to 3600\n"
