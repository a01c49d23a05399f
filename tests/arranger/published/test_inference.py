"""A song's windows are written and put together, bar by bar or two bars at a time, and become MIDI."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pretty_midi
import pytest
import soundfile
import torch

from models.arranger.published.config import STEPS, STRETCHED_RATE
from models.arranger.published.corrections import Corrections
from models.arranger.published.data import read_songs
from models.arranger.published.inference import arrange, committed, main, prompt, read_chords, velocity, windows
from models.arranger.published.network import save_network
from models.arranger.published.symbols import tree_of
from models.arranger.songs import FEWEST_BARS, chord_row

ALL = Corrections.all()
NONE = np.zeros((0, 3), int)


def made_of(bar: int) -> np.ndarray:
    """The tree of a window that tells which it was: its pitch in both bars."""
    return tree_of(NONE, np.array([(0, 16, 40 + bar), (20, 40, 70 + bar)]), 7, ALL)[:, 1:]


TREES = np.stack([made_of(bar) for bar in range(5)])


@pytest.mark.parametrize("autoregressive", [False, True])
def test_the_flag_says_which_bars_are_written_only_put_right(autoregressive):
    every = [[16 * bar, 16, 40 + bar] for bar in range(5)]
    second = [
        [0, 16, 40],
        [20, 32, 70],
        [32, 16, 42],
        [52, 32, 72],
        [64, 16, 44],
    ]  # the last bar's second is beyond the song
    meant = committed(TREES, ALL, autoregressive=autoregressive).tolist()
    released = committed(TREES, replace(ALL, meant_flag=False), autoregressive=autoregressive).tolist()
    assert (meant, released) == ((every, second) if autoregressive else (second, every))


def test_a_prompt_is_what_was_committed_only_put_right():
    assert prompt(TREES[:1], ALL) is None
    assert prompt(TREES[:3], ALL).tolist() == [[0, 16, 41], [16, 16, 42]]
    released = replace(ALL, previous_bars=False)
    assert prompt([], released) is None
    assert prompt(TREES[:3], released).tolist() == [[0, 16, 42], [20, 32, 72]]


def test_windows_begin_at_every_bar_and_end_in_silence(song, sound):
    one = song(3)
    spectra, chords = windows(sound(one), STRETCHED_RATE, one.beats, one.chords, ALL)
    assert spectra.shape == (3, 229, 153)
    assert chords.shape == (3, 8, 38)
    assert spectra[2, :, -20:].max() < spectra[2, :, :70].max() - 3
    assert chords[1, 0].argmax() == 9
    assert chords[2, 7, 12] == 1, "the last chord, which is none, goes on"
    with pytest.raises(ValueError, match="the song has 3 beats; at least 4 make a bar"):
        windows(sound(one), STRETCHED_RATE, one.beats[:3], one.chords[:3], ALL)


def test_only_autoregressive_windows_know_what_was_written(song, sound, network):
    one, made, first = song(4), network(louder=3.0), network(seed=5, louder=3.0)
    given = windows(sound(one), STRETCHED_RATE, one.beats, one.chords, ALL)
    alone = arrange(made, *given, autoregressive=False)
    assert alone.shape == (4, STEPS, 6, 6)
    assert np.array_equal(alone[2:], arrange(made, given[0][2:], given[1][2:], autoregressive=False))
    told = arrange(made, *given, autoregressive=True)
    assert np.array_equal(told, arrange(made, *given, autoregressive=True))
    opened = arrange(made, *given, autoregressive=True, first=first)
    assert np.array_equal(opened[:2], arrange(first, given[0][:2], given[1][:2], autoregressive=False))

    heard: list[torch.Tensor] = []
    hook = made.symbol_encoder.register_forward_hook(lambda part, roll, said: heard.append(roll[0]))
    again = arrange(made, *given, autoregressive=True, first=first)
    hook.remove()
    wanted = prompt(again[:2], ALL)
    assert len(heard) == 2
    assert {(s, int(heard[0][0, s, p]), p) for s, p in heard[0][0].nonzero().tolist()} <= {
        tuple(n) for n in wanted.tolist()
    }


def test_velocities_are_the_releases_rule():
    assert [velocity(step, 60) for step in (0, 4, 8, 1)] == [86, 83, 86, 80]
    assert velocity(4, 40) == 88
    assert velocity(4, 60, energy=0.0) == 74


def test_a_file_is_arranged(song, sound, network, tmp_path: Path):
    one, made = song(3), network(louder=3.0)
    save_network(made, tmp_path / "n.safetensors")
    soundfile.write(tmp_path / "song.wav", sound(one), STRETCHED_RATE)
    np.savetxt(tmp_path / "song.beats", one.beats)
    (tmp_path / "song.lab").write_text("0.0\t2.3\tC:maj\n2.3\t4.3\tA:min\n4.3\t9\tN\n")
    words = [str(tmp_path / name) for name in ("n.safetensors", "song.wav")]
    words += ["--beats", str(tmp_path / "song.beats"), "--chords", str(tmp_path / "song.lab")]
    main([*words, "-o", str(tmp_path / "out.mid")])
    piano = pretty_midi.PrettyMIDI(str(tmp_path / "out.mid")).instruments[0]
    grid = one.beats[0] + np.arange(48) * 0.125
    assert piano.notes
    assert all(np.abs(grid - note.start).min() < 0.003 for note in piano.notes)
    downs = [change.time for change in piano.control_changes if change.value == 0]
    np.testing.assert_allclose(downs, one.beats[[0, 4, 8]], atol=0.003)
    (tmp_path / "song.lab").write_text("0.0 1.0 H:maj\n")
    with pytest.raises(SystemExit, match=r"song\.lab, line 1, is no start, end and chord: chord 'H:maj' is none"):
        main([*words, "-o", str(tmp_path / "out.mid")])


def test_chords_are_those_in_the_middle_of_beats(tmp_path: Path):
    (tmp_path / "c.lab").write_text("0 1.2 C\n\n1.2 9 A:min\n")
    rows = read_chords(tmp_path / "c.lab", np.array([0.0, 0.5, 1.0, 1.5]))
    assert rows[:, :13].argmax(1).tolist() == [0, 0, 9, 9]
    assert np.array_equal(rows[2], chord_row(9, (0, 3, 7), 9))
    (tmp_path / "c.lab").write_text("\n")
    with pytest.raises(ValueError, match="holds no chord"):
        read_chords(tmp_path / "c.lab", np.array([0.0, 0.5]))


def test_songs_with_their_own_audio_are_read(song, tmp_path: Path):
    one = song(FEWEST_BARS)
    folder, own = tmp_path / "POP909" / "001", tmp_path / "mine"
    folder.mkdir(parents=True)
    own.mkdir()
    midi = pretty_midi.PrettyMIDI()
    for name, notes in (("MELODY", one.bridge), ("BRIDGE", one.bridge), ("PIANO", one.piano)):
        track = pretty_midi.Instrument(0, name=name)
        seconds = one.beats[0] + notes[:, :2] * 0.5
        track.notes = [pretty_midi.Note(80, int(n[2]), s, e) for n, (s, e) in zip(notes, seconds, strict=True)]
        midi.instruments.append(track)
    midi.write(str(folder / "001.mid"))
    beats = np.append(one.beats, one.beats[-1] + 0.5 * np.arange(1, 5))
    (folder / "beat_midi.txt").write_text(
        "\n".join(f"{t} {int(n % 4 == 0)} {int(n % 4 == 0)}" for n, t in enumerate(beats))
    )
    (folder / "chord_midi.txt").write_text("0.0\t99.0\tC:maj\n")
    soundfile.write(own / "001 - a song.flac", np.full((44100 * 3, 2), 0.1), 44100)
    songs, sounds = read_songs(tmp_path, own, ["001", "002"])
    assert [read.name for read in songs] == ["001"]
    assert len(songs[0].piano) == len(one.piano)
    assert sounds["001"].dtype == np.int16
    assert len(sounds["001"]) == pytest.approx(3 * STRETCHED_RATE, abs=2)
    assert read_songs(tmp_path, own, ["002"]) == ([], {})
