"""Textures: notes of a piece as bars, as text, and as what the network reads; and MIDI files that hold them."""

import mido
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.arranger.config import BAR, KEYS, LONGEST
from models.arranger.grid import Written
from models.arranger.style import MOST_BARS, Texture, parse_texture, texture_of
from models.manifest import LONGEST_TEXT
from server.errors import BacklineError
from server.midi.texture import read_texture

notes = st.builds(Written, st.integers(0, 15), st.integers(1, 16), st.integers(21, 108))
bars = st.lists(notes, max_size=30, unique_by=lambda n: (n.step, n.pitch)).map(
    lambda bar: tuple(sorted(bar, key=lambda n: (n.step, n.pitch)))
)
textures = st.lists(bars, min_size=1, max_size=12).filter(any).map(lambda rows: Texture(tuple(rows)))


@given(textures)
def test_a_texture_comes_back_from_its_text(texture):
    text = str(texture)
    assert parse_texture(text) == texture
    assert text.isascii()
    assert text.isprintable()
    assert " " not in text


@given(st.text(max_size=40) | st.text(st.sampled_from("0123456789abcdef#|z{"), max_size=40))
def test_any_text_is_a_texture_or_a_value_error(text):
    try:
        texture = parse_texture(text)
    except ValueError:
        return
    assert str(texture) == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no note"),
        ("|||", "no note"),
        ("00", "'00' for a note"),
        ("0g#", "'0g#' for a note"),
        ("00{", "for a note"),
        ("song.mid", "'son' for a note"),
        ("10#00#", "out of order"),
        ("00#00#", "out of order"),
        ("00#|" * MOST_BARS, f"{MOST_BARS + 1} bars; allowed: up to {MOST_BARS}"),
    ],
)
def test_a_text_that_is_none_is_refused_in_one_sentence(text, words):
    with pytest.raises(ValueError, match=words.replace("(", r"\(")) as error:
        parse_texture(text)
    assert "\n" not in str(error.value)


def test_bars_come_again_and_again():
    texture = texture_of([(0, 1, 36), (4, 0.5, 60), (9, 4, 72)])
    assert len(texture.bars) == 3
    first, second, third = (texture.window(number)[:BAR] for number in range(3))
    assert (first[0, 15], second[0, 39], third[4, 51]) == (4 / LONGEST, 2 / LONGEST, 16 / LONGEST)
    assert np.count_nonzero(np.stack([first, second, third])) == 3
    for number in range(-4, 8):
        window = texture.window(number)
        assert window.shape == (2 * BAR, KEYS)
        np.testing.assert_array_equal(window[:BAR], (first, second, third)[number % 3])
        np.testing.assert_array_equal(window[BAR:], (first, second, third)[(number + 1) % 3])


def test_notes_lie_on_the_nearest_sixteenth_of_the_bars_of_their_metre():
    in_three = texture_of([(3.1, 1.2, 50), (3.1, 0.1, 50), (8.9, 0.01, 51), (-0.2, 1, 52), (3, 1, 120)], 3)
    assert in_three.bars == ((Written(0, 5, 50),), (), (Written(0, 1, 51),))
    two = texture_of([(0, 1, 50), (2, 1, 51), (4, 1, 52)], 2)
    assert [[(n.step, n.pitch) for n in bar] for bar in two.bars] == [[(0, 50), (8, 51)], [(0, 52)]]


def test_silence_before_the_first_bar_is_left_out_and_bars_beyond_the_most_too():
    assert texture_of([(9, 1, 50)]).bars == ((Written(4, 4, 50),),)
    assert len(texture_of([(4 * number, 1, 50) for number in range(100)]).bars) == MOST_BARS


def test_no_note_of_a_piano_is_no_texture():
    with pytest.raises(ValueError, match="no note that a piano has"):
        texture_of([(0, 1, 12)])


@given(textures, st.integers(3, 400))
def test_a_texture_is_shortened_to_what_fits(texture, characters):
    try:
        short = texture.shortened(characters)
    except ValueError:
        assert len(str(Texture(texture.bars[:1]))) > characters or not texture.bars[0]
        return
    assert len(str(short)) <= characters
    assert short.bars == texture.bars[: len(short.bars)]
    assert short == texture or len(short.bars) == 1 or len(short.bars) % 2 == 0


def write(path, rows, metre=None, ticks=480):
    """rows: (tick, message name, channel, note)."""
    file, track, now = mido.MidiFile(ticks_per_beat=ticks), mido.MidiTrack(), 0
    if metre:
        track.append(mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(77)))
    for tick, name, channel, note in rows:
        track.append(mido.Message(name, channel=channel, note=note, time=tick - now))
        now = tick
    file.tracks.append(track)
    file.save(str(path))
    return path


def test_a_file_is_read_on_its_own_grid_without_drums(tmp_path):
    rows = [
        (0, "note_on", 0, 48), (0, "note_on", 9, 36), (0, "note_on", 1, 60), (230, "note_off", 0, 48), (480, "note_on", 0, 48),
        (490, "note_off", 1, 60), (1920, "note_on", 0, 43), (2400, "note_off", 0, 43),
    ]  # fmt: skip
    texture = parse_texture(read_texture(write(tmp_path / "a.mid", rows)))
    first = (Written(0, 2, 48), Written(0, 4, 60), Written(4, 4, 48))
    assert texture.bars == (first, (Written(0, 4, 43),))
    in_three = parse_texture(read_texture(write(tmp_path / "b.mid", rows, (3, 4))))
    assert in_three.bars == (first, (Written(4, 4, 43),))


def test_of_a_long_file_the_first_bars_are_read(tmp_path):
    rows = [
        (240 * n + off * 230, "note_off" if off else "note_on", 0, 40 + n % 8) for n in range(800) for off in (0, 1)
    ]
    text = read_texture(write(tmp_path / "long.mid", rows))
    assert LONGEST_TEXT - 2 * 8 * 4 < len(text) <= LONGEST_TEXT
    assert len(parse_texture(text).bars) % 2 == 0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no file"),
        (b"", "as MIDI"),
        (b"RIFF1234WAVE", "as MIDI"),
        (b"MThd\0\0\0\6\0\0\0\1\1\xe0MTrk\0\0\0\xff\0", "as MIDI"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_sentence(tmp_path, content, words):
    path = tmp_path / "song.mid"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(BacklineError, match=words) as error:
        read_texture(path)
    assert "\n" not in str(error.value)


def test_a_file_without_notes_or_with_too_many_at_once_is_refused(tmp_path):
    drums = write(tmp_path / "drums.mid", [(0, "note_on", 9, 36), (10, "note_off", 9, 36)])
    with pytest.raises(BacklineError, match=r"drums.mid: the texture holds no note"):
        read_texture(drums)
    rows = [(120 * n, "note_on", 0, 30 + m) for n in range(16) for m in range(12)]
    with pytest.raises(BacklineError, match="fits into 400 characters: the first takes 576"):
        read_texture(write(tmp_path / "full.mid", rows))
