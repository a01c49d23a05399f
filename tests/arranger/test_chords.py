"""Chords over what the ear says of beats: clear ones as they are, doubtful ones by their neighbours, and their names."""

import numpy as np
import pytest

from models.arranger.chords import KINDS, NONE, Chord, ChordFollower, decode_chords, names
from models.arranger.config import CHORD, ROOTS
from models.arranger.songs import parse_chord
from models.arranger.wishes import chord_of

SONG = [Chord(9, "m", 9)] * 4 + [Chord(5, "", 0)] * 4 + [NONE] * 2 + [Chord(7, "7", 7)] * 2 + [Chord(0, "", 0)] * 4


def heard(chords: list[Chord], clear: float = 0.9, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Return activations (beats, CHORD) as an ear gives them that is as sure as `clear`, and as wrong as `noise`."""
    rng = np.random.default_rng(seed)
    rows = np.stack([chord.row() for chord in chords]) * 2 * np.log(clear / (1 - clear)) + np.log((1 - clear) / clear)
    odds = np.exp(rows + rng.normal(0, noise, rows.shape))
    shares = odds / (1 + odds)
    for part in (slice(0, ROOTS), slice(ROOTS + 12, CHORD)):
        shares[:, part] = odds[:, part] / odds[:, part].sum(1, keepdims=True)
    return shares.astype(np.float32)


def test_clear_chords_are_read_as_they_are():
    assert decode_chords(heard(SONG)) == SONG
    follower = ChordFollower()
    assert [follower.hear(row) for row in heard(SONG)] == SONG


def test_noise_is_smoothed_over_beats():
    rows = heard(SONG * 8, 0.7, 1.0)
    alone = np.mean([decode_chords(row[None])[0].root == chord.root for row, chord in zip(rows, SONG * 8, strict=True)])
    whole = np.mean([one.root == chord.root for one, chord in zip(decode_chords(rows), SONG * 8, strict=True)])
    follower = ChordFollower()
    now = np.mean([follower.hear(row).root == chord.root for row, chord in zip(rows, SONG * 8, strict=True)])
    assert whole > alone + 0.05
    assert now > 0.75


def test_one_doubtful_beat_does_not_change_the_chord():
    rows = heard([Chord(0, "", 0)] * 7)
    rows[3] = 0.5 * rows[3] + 0.5 * heard([Chord(4, "m", 4)])[0]
    assert decode_chords(rows) == [Chord(0, "", 0)] * 7


def test_every_key_is_read_alike():
    row = heard([Chord(0, "m7", 3)], 0.9, 0.3)[0]
    for shift in range(12):
        turned = row.copy()
        for first in (0, ROOTS, ROOTS + 12):
            turned[first : first + 12] = np.roll(row[first : first + 12], shift)
        one = decode_chords(turned[None])[0]
        assert (one.root, one.kind, one.bass) == (shift, "m7", (3 + shift) % 12)


@pytest.mark.parametrize(
    "rows", [np.zeros((3, CHORD)), np.full((3, CHORD), np.nan), np.zeros((0, CHORD)), np.ones((3, CHORD))]
)
def test_activations_of_no_sense_give_a_chord_a_beat(rows):
    assert len(decode_chords(rows)) == len(rows)
    follower = ChordFollower()
    assert all(np.isfinite(follower.hear(row).row()).all() for row in rows)


def test_a_follower_forgets_at_reset():
    follower, rows = ChordFollower(), heard(SONG, 0.6, 1.0)
    first = [follower.hear(row) for row in rows]
    follower.reset()
    assert [follower.hear(row) for row in rows] == first


@pytest.mark.parametrize(
    ("chord", "name", "scored"),
    [
        (Chord(9, "m", 9), "Am", "A:min"), (Chord(5, "", 0), "F/C", "F:maj/5"), (NONE, "N", "N"),
        (Chord(10, "maj7", 10), "Bbmaj7", "Bb:maj7"), (Chord(6, "m7b5", 6), "F#m7b5", "F#:hdim7"),
        (Chord(2, "sus4", 2), "Dsus4", "D:sus4"), (Chord(3, "m7", 1), "Ebm7/C#", "Eb:min7/b7"),
    ],
)  # fmt: skip
def test_names_are_those_of_musicians_and_are_read_again(chord, name, scored):
    assert chord.name == name
    np.testing.assert_array_equal(chord.row(), chord_of(name))
    np.testing.assert_array_equal(chord.row(), parse_chord(scored))


def test_every_kind_in_every_key_is_read_again():
    for root in range(12):
        for kind in KINDS:
            chord = Chord(root, kind, (root + KINDS[kind][1]) % 12)
            np.testing.assert_array_equal(chord.row(), chord_of(chord.name))


def test_a_line_of_chords_tells_the_beats_of_each():
    assert names(SONG) == "Am:4 F/C:4 N:2 G7:2 C:4"
    assert names([]) == ""
    assert names([NONE] * 20) == "N:16 N:4"
