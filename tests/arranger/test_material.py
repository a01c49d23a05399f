from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.arranger.config import BAR, CHORD, HEARD, LOWEST, LOWEST_KEY, PITCHES, ROOTS, SLOTS, WINDOW
from models.arranger.foresight import foreseen, models_of
from models.arranger.material import (
    PIANO,
    WITH,
    WITHOUT,
    join,
    piece_of,
    read_packed,
    simulate,
    with_band,
    write_packed,
)  # fmt: skip
from models.arranger.moves import cells, move_chords, move_notes, top
from models.arranger.songs import parse_chord, read_split
from tests.arranger.made_songs import made_material, made_song


def pairs(notes: np.ndarray) -> set[tuple[int, int]]:
    return {(int(step), int(notes[step, slot, 0])) for step, slot in zip(*np.nonzero(notes[..., 0] >= 0), strict=True)}


def test_following_sees_the_bars_that_are_written_and_planning_what_may_come() -> None:
    material = made_material(["001"])
    window = np.array([[0, 3]])
    follow = material.take(window, np.array([False]), np.array([False]))
    plan = material.take(window, np.array([True]), np.array([False]))
    bar = material.starts[0] + 3
    assert follow.heard.shape == (1, WINDOW, len(HEARD), PITCHES)
    assert follow.chords.shape == (1, 8, CHORD)
    np.testing.assert_array_equal(follow.heard[0, :, 0] * 255, material.heard[bar * BAR : (bar + 2) * BAR, 0])
    first = int(material.starts[0])
    chords = material.chords[first * 4 : (bar + 1) * 4].reshape(-1, 4, CHORD).astype(np.float32)
    chords[-1, -1] = chords[-1, -2]
    places, shares = models_of(chords)
    heard = material.heard[first * BAR : (bar + 1) * BAR].reshape(-1, BAR, len(HEARD), PITCHES).copy()
    heard[-1, -4:] = 0  # the last beat of the bar that sounds is not heard yet
    expected = foreseen(list(heard), places, shares).reshape(WINDOW, len(HEARD), PITCHES)
    np.testing.assert_allclose(plan.heard[0] * 255, expected, rtol=1e-5, atol=1e-4)
    np.testing.assert_array_equal(follow.notes[0, BAR:], plan.notes[0, :BAR])
    np.testing.assert_array_equal(follow.prompt[0], material.notes[WITHOUT, (bar - 2) * BAR : bar * BAR])
    np.testing.assert_array_equal(plan.prompt[0, BAR:], follow.notes[0, :BAR])
    np.testing.assert_array_equal(plan.true_chords[0, :4], follow.true_chords[0, 4:])
    assert follow.mode.tolist() == [[0, 0, 1, 0]]
    assert plan.mode.tolist() == [[1, 0, 1, 0]]


def test_at_a_songs_edges_there_is_silence() -> None:
    material = made_material(["001", "002"])
    assert len(material.windows(np.array([0, 1]), False)) == 16
    assert len(material.windows(np.array([0, 1]), True)) == 14
    first = material.take(np.array([[1, 0]]), np.array([True]), np.array([True]))
    assert not first.heard[0, :BAR].any()
    assert first.mode[0, 2] == 0
    assert (first.prompt[0, :BAR] == -1).all()
    last = material.take(np.array([[0, 7]]), np.array([False]), np.array([True]))
    assert (last.notes[0, BAR:] == -1).all()


def test_the_voice_is_written_only_where_it_is_wanted() -> None:
    material, song = made_material(["001"]), made_song("001")
    first = slice(int(material.starts[0]) * BAR, (int(material.starts[0]) + 8) * BAR)
    without, voiced, piano = (pairs(material.notes[kind, first]) for kind in (WITHOUT, WITH, PIANO))
    voice = {(int(on * 4 + 0.5), int(pitch) - LOWEST_KEY) for on, _, pitch, _ in song.voice}
    assert voiced == without | voice
    assert without - piano == {(0, 84 - LOWEST_KEY)}
    assert set(np.flatnonzero(material.line[WITH, first] >= 0)) == {step for step, _ in voice}
    assert np.flatnonzero(material.line[WITHOUT, first] >= 0).tolist() == [0]


def test_another_songs_sound_can_be_heard() -> None:
    material = made_material(["001", "002"])
    window, none = np.array([[0, 3]]), np.array([False])
    other = material.take(window, none, none, heard_of=np.array([1]))
    own, theirs = material.take(window, none, none), material.take(np.array([[1, 3]]), none, none)
    np.testing.assert_array_equal(other.heard, theirs.heard)
    np.testing.assert_array_equal(other.chords, theirs.chords)
    np.testing.assert_array_equal(other.notes, own.notes)
    same = material.take(np.array([[0, 0]]), ~none, none, heard_of=np.array([0]))
    assert not same.heard[0, :BAR].any()


@pytest.mark.parametrize("shift", [-3, 2])
def test_everything_moves_together(shift: int) -> None:
    material = made_material(["001"])
    window, no = np.array([[0, 2]]), np.array([False])
    plain, moved = material.take(window, no, ~no), material.take(window, no, ~no, shift)
    assert pairs(moved.notes[0]) == {(step, key + shift) for step, key in pairs(plain.notes[0])}
    assert (moved.line == np.where(plain.line >= 0, plain.line + shift, -1)).all()
    a, b = (slice(None, -shift), slice(shift, None)) if shift > 0 else (slice(-shift, None), slice(None, shift))
    np.testing.assert_array_equal(moved.heard[..., b], plain.heard[..., a])
    assert moved.true_chords[0, 0, :12].argmax() == (plain.true_chords[0, 0, :12].argmax() + shift) % 12
    assert pairs(material.piano(window, no, shift)[0]) <= pairs(moved.notes[0])


def test_a_render_in_another_key_has_its_notes_there() -> None:
    song = made_song("001")
    heard = simulate(song, np.random.default_rng(1))
    plain, moved = (piece_of(song, heard["heard"], heard["chords"], shift) for shift in (0, 5))
    assert pairs(moved["notes"][WITH]) == {(step, key + 5) for step, key in pairs(plain["notes"][WITH])}
    np.testing.assert_array_equal(moved["bass"], plain["bass"])  # as the human wrote it


def test_no_chord_stays_no_chord() -> None:
    row = parse_chord("N")
    np.testing.assert_array_equal(move_chords(row, 5), row)
    np.testing.assert_array_equal(move_chords(parse_chord("C:maj/3"), 2), parse_chord("D:maj/3"))


def test_cells_rise_and_hold_a_key_once_and_the_outer_notes() -> None:
    notes = np.array([(1, 2, 60, 1), (1, 5, 60, 1), (1, 40, 40, 1), (9, 1, 60, 1), (0, 1, 20, 1)])
    out = cells(notes, 3)
    assert out[1, :3].tolist() == [[40 - LOWEST_KEY, 16], [60 - LOWEST_KEY, 5], [-1, -1]]
    assert (out[[0, 2]] == -1).all()
    many = cells(np.array([(0, 1, 40 + i, 1) for i in range(14)]), 1)[0, :, 0] + LOWEST_KEY
    assert many.tolist() == [40, 41, 42, 43, 44, 49, 50, 51, 52, 53]
    assert top(notes, 3).tolist() == [-1, 60 - LOWEST_KEY, -1]


def test_notes_beyond_the_keyboard_leave_no_gap() -> None:
    notes = np.full((1, SLOTS, 2), -1, np.int64)
    notes[0, :2] = [[1, 4], [80, 4]]
    assert move_notes(notes, -3)[0, :2].tolist() == [[77, 4], [-1, -1]]
    assert move_notes(notes, 8)[0, :2].tolist() == [[9, 4], [-1, -1]]


def test_a_simulated_ear_hears_most_and_is_sometimes_wrong() -> None:
    song = replace(made_song("001", 32), band={})
    heard = simulate(song, np.random.default_rng(3))
    assert heard["heard"].dtype == np.uint8
    assert heard["heard"].shape == (32 * BAR, len(HEARD), PITCHES)
    melody = heard["heard"][:, HEARD.index("melody_onset")] > 100
    right = [melody[int(on * 4 + 0.5), int(pitch) - LOWEST] for on, _, pitch, _ in song.voice]
    assert 0.5 < np.mean(right) < 0.95
    roots = heard["chords"][:, :ROOTS].argmax(1) == song.chords[:, :ROOTS].argmax(1)
    assert 0.7 < roots.mean() < 1
    again = simulate(song, np.random.default_rng(3))
    np.testing.assert_array_equal(again["heard"], heard["heard"])


def test_a_band_is_heard_instead_of_plain_chords() -> None:
    song = made_song("001")
    banded = with_band(song, {"Bass": np.array([(0.5 * beat, 0.5 * beat + 0.4, 33, 80) for beat in range(32)])})
    heard = simulate(banded, np.random.default_rng(3))["heard"]
    assert (heard[:, HEARD.index("bass_onset"), 33 - LOWEST] > 100).sum() > 16


def test_packed_material_is_what_was_packed(tmp_path: Path) -> None:
    material = made_material(["001", "002"])
    write_packed(material, tmp_path / "packed")
    again = read_packed(tmp_path / "packed")
    assert again.names == ("001_0_0", "002_0_0")
    np.testing.assert_array_equal(again.pieces_of(["002"]), [1])
    for name in ("starts", "bars", "heard", "chords", "true_chords", "notes", "line", "bass"):
        np.testing.assert_array_equal(getattr(again, name), getattr(material, name))


def test_no_song_is_refused() -> None:
    with pytest.raises(ValueError, match="no song"):
        join([])


def test_no_song_is_in_two_parts() -> None:
    parts = read_split()
    names = [name for part in parts.values() for name in part]
    assert set(parts) == {"train", "validation", "test"}
    assert len(names) == len(set(names))
    assert all(831 <= int(name) <= 850 for name in parts["validation"])
    assert all(851 <= int(name) <= 869 for name in parts["test"])
