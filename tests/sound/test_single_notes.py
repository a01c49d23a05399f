"""Recorded notes of any instrument begin at their labels, end where their sound does, and are heard at the asked pitch."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.sound.performance import Performance
from models.sound.single_notes import SingleNotes, cut, read_bass, read_orchestra

RATE = 16_000


def tone(pitch: float, silence: float, seconds: float, attack: float = 0.002, level: float = 0.5) -> np.ndarray:
    """A steady tone between silences, (samples,) float32."""
    time = np.arange(round(seconds * RATE)) / RATE
    envelope = np.minimum(1, np.minimum(time, seconds - time) / attack)
    sound = level * envelope * np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time)
    return np.concatenate([np.zeros(round(silence * RATE)), sound, np.zeros(RATE // 3)]).astype(np.float32)


@pytest.fixture
def flute() -> SingleNotes:
    """Tones of 1 s from C4 to C5 in steps of four semitones, at two dynamics, after silences of any length."""
    return SingleNotes(
        (
            cut(tone(pitch + 0.1, 0.013 * (pitch % 7), 1.0, level=dynamic), RATE, pitch + 0.1, dynamic)
            for pitch in range(60, 73, 4)
            for dynamic in (0.3, 0.9)
        ),
        release_seconds=(0.02, 0.03),
    )


def play(instrument: SingleNotes, notes: list, bend: object = (), seed: int = 0) -> tuple[np.ndarray, Performance]:
    performance = Performance(np.array(notes, float), np.zeros((0, 2)), np.array(bend, float).reshape(-1, 2))
    return instrument.play(performance, 3.0, np.random.default_rng(seed))


def level(audio: np.ndarray, start: float, end: float) -> float:
    return float(np.sqrt(np.mean(audio[round(start * RATE) : round(end * RATE)] ** 2)))


@pytest.mark.parametrize("attack", [0.001, 0.01, 0.08])
def test_a_recording_is_cut_to_where_a_tenth_of_its_attack_is_reached(attack):
    recording = cut(tone(69, 0.2, 1.0, attack), RATE, 69, 0.5)
    envelope = np.abs(recording.audio)
    reached = np.argmax(envelope > 0.1 * envelope.max()) / RATE
    assert reached <= 0.003  # measured 2 ms: one is cut before it, and a swing takes time
    assert recording.sounding_seconds == pytest.approx(1.0 - 0.2 * attack, abs=0.005)
    assert level(recording.audio, 0.3, 0.55) == pytest.approx(0.1, rel=0.03)


def test_notes_begin_where_their_labels_say(flute, begins_at):
    for pitch in range(59, 74):
        for onset in (0.1, 0.5003, 1.23456):
            audio, played = play(flute, [(onset, onset + 0.4, pitch, 90)])
            assert played.notes[0, 0] == onset
            assert -0.001 < begins_at(audio, RATE, onset, 0.1) - onset <= 0.002


def test_notes_are_heard_at_their_pitch_whatever_was_recorded(flute):
    for pitch in (59, 62, 66, 72):
        spectrum = np.abs(np.fft.rfft(play(flute, [(0, 0.9, pitch, 90)])[0][: RATE // 2] * np.hanning(RATE // 2), RATE))
        assert np.argmax(spectrum) == pytest.approx(
            440 * 2 ** ((pitch - 69) / 12), rel=0.012
        )  # up to 20 cents out of tune


def test_a_short_note_is_released_and_a_long_one_ends_in_its_label_with_its_recording(flute):
    short, played = play(flute, [(0.2, 0.5, 64, 90)])
    assert played.notes[0, 1] == pytest.approx(0.5)
    assert level(short, 0.65, 0.9) < 0.01 * level(short, 0.25, 0.45)
    long, played = play(flute, [(0.2, 2.9, 64, 90)])
    assert played.notes[0, 1] == pytest.approx(1.2, abs=0.03)
    assert level(long, 1.3, 2.9) < 0.01 * level(long, 0.3, 1.1)


def test_a_note_too_far_from_every_recording_is_left_out_of_sound_and_label(flute):
    audio, played = play(flute, [(0.2, 0.5, 30, 90)])
    assert not audio.any()
    assert played.notes.shape == (0, 4)


def test_a_louder_note_takes_the_louder_recording_and_is_louder(flute):
    levels = [level(play(flute, [(0.2, 0.9, 64, velocity)], seed=3)[0], 0.3, 0.8) for velocity in (20, 60, 127)]
    assert levels == sorted(levels)
    loud = flute._choose(64, 1.0, 0.5, np.random.default_rng(0))
    soft = flute._choose(64, 0.1, 0.5, np.random.default_rng(0))
    assert (loud.dynamic, soft.dynamic) == (0.9, 0.3)


def test_a_bend_is_heard_as_written(flute):
    audio, played = play(flute, [(0.0, 0.95, 68, 90)], [(0.0, 0.0), (0.4, 0.0), (0.5, -2.0), (2.0, -2.0)])
    for start, moved in ((0.05, 0.0), (0.55, -2.0)):
        piece = audio[round(start * RATE) : round((start + 0.3) * RATE)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(len(piece)), 4 * RATE))
        assert np.argmax(spectrum) / 4 == pytest.approx(440 * 2 ** ((68 + moved - 69) / 12), rel=0.012)
    assert played.bend.shape == (4, 2)


def test_a_seed_is_a_performance(flute):
    notes = [(0.1, 0.5, 60, 90), (0.4, 1.0, 67, 50)]
    assert np.array_equal(play(flute, notes)[0], play(flute, notes)[0])
    assert not np.array_equal(play(flute, notes)[0], play(flute, notes, seed=1)[0])


def test_a_bass_is_read_an_octave_below_its_file_names(tmp_path):
    for name, pitch in (("a2_f_rr1", 33), ("eb3_pp_rr2", 39), ("killer_bass_gb2_vl3", 30)):
        soundfile.write(tmp_path / f"{name}.ogg", tone(pitch, 0.1, 1.0), RATE)
    soundfile.write(tmp_path / "a2_staccato_rr1.ogg", tone(33, 0.1, 1.0), RATE)  # is no dynamic
    bass = read_bass(tmp_path)
    assert sorted(recording.pitch for recording in bass.recordings) == [30, 33, 39]
    assert (bass.lowest, bass.highest) == (29, 40)


def test_an_orchestras_instrument_is_read_by_its_index(tmp_path):
    (tmp_path / "flute").mkdir()
    rows = ["instrument,file,midi,dynamic,articulation,midi_measured,pitch_ok"]
    for name, dynamic, articulation, known in (
        ("one", "forte", "normal", True), ("two", "cresc-decresc", "normal", True), ("three", "forte", "normal", False),
        ("four", "forte", "trill", True),
    ):  # fmt: skip
        soundfile.write(tmp_path / "flute" / f"{name}.wav", tone(72.2, 0.1, 1.0), RATE)
        rows.append(f"flute,{name}.wav,72,{dynamic},{articulation},72.2,{known}")
    (tmp_path / "index.csv").write_text("\n".join(rows) + "\n")
    (recording,) = read_orchestra(tmp_path, "flute").recordings
    assert (recording.pitch, recording.dynamic) == (72.2, 0.8)


def test_an_instrument_without_recordings_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no recorded notes"):
        read_bass(Path(tmp_path))


def test_recordings_of_two_sample_rates_are_refused():
    with pytest.raises(ValueError, match="differ in sample rate"):
        SingleNotes((cut(tone(60, 0, 1.0), rate, 60, 0.5) for rate in (RATE, 2 * RATE)), release_seconds=(0.02, 0.03))
