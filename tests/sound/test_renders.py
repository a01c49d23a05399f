"""A render is what its seed says, is made once, and its labels lie where it sounds."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from models.sound.renders import (
    SAMPLE_RATE,
    TAIL_SECONDS,
    Render,
    RenderPlan,
    load_render,
    make_renders,
    render_path,
    store_render,
)
from models.sound.soundfont import RENDER_RATE, play_soundfont
from models.sound.take import prelude

TAKE = Path(__file__).parents[2] / "server" / "takes" / "take.mid"
SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
SECONDS = 4.0
fluidsynth = (
    pytest.mark.fluidsynth,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="fluidsynth is not installed"),
    pytest.mark.skipif(not SOUND_FONT.exists(), reason="TimGM6mb.sf2 (timgm6mb-soundfont) is not installed"),
)


@pytest.fixture(scope="module")
def pop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The take under the name that the accompaniments of pop songs have."""
    midi = pretty_midi.PrettyMIDI(str(TAKE))
    midi.instruments[0].name = "PIANO"
    path = tmp_path_factory.mktemp("pop") / "001.mid"
    midi.write(str(path))
    return path


@pytest.fixture
def plan(recordings, pop) -> RenderPlan:
    """Pieces, mechanical and not, and exercises, all on the sampled piano."""
    return RenderPlan((TAKE,), (pop,), (), recordings, seed=3, seconds=SECONDS, salamander_share=1.0)


def made(plan: RenderPlan, folder: Path, indices: range, processes: int = 1) -> list[str]:
    return sorted(path.name for path in make_renders(plan, folder, indices, processes))


def same(one: Path, other: Path) -> bool:
    first, second = load_render(one), load_render(other)
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in first.__slots__)


def test_renders_are_numbered_and_a_second_call_makes_nothing(plan, tmp_path):
    assert made(plan, tmp_path, range(3)) == [f"render_0000{index}.npz" for index in range(3)]
    before = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    assert made(plan, tmp_path, range(3)) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before


def test_a_cache_is_continued_and_what_was_lost_is_made_again_the_same(plan, tmp_path):
    made(plan, tmp_path / "whole", range(4), processes=2)
    made(plan, tmp_path / "part", range(1, 3))
    assert made(plan, tmp_path / "part", range(4)) == ["render_00000.npz", "render_00003.npz"]
    for index in range(4):
        assert same(render_path(tmp_path / "whole", index), render_path(tmp_path / "part", index))


def test_another_seed_or_index_is_another_render(plan, tmp_path):
    made(plan, tmp_path / "one", range(2))
    made(replace(plan, seed=4), tmp_path / "other", range(1))
    first = render_path(tmp_path / "one", 0)
    assert not same(first, render_path(tmp_path / "one", 1))
    assert not same(first, render_path(tmp_path / "other", 0))


def test_a_cache_that_is_left_half_way_holds_only_whole_files(plan, tmp_path):
    renders = make_renders(plan, tmp_path, range(6), 1)
    next(renders)
    renders.close()
    for path in tmp_path.glob("render_*.npz"):
        load_render(path)


def test_a_render_holds_16_bit_audio_and_notes_in_samples(plan, tmp_path, assert_playable, performance):
    made(plan, tmp_path, range(6))
    for index in range(6):
        render = load_render(render_path(tmp_path, index))
        audio, notes = render.audio, render.notes
        assert audio.dtype == np.int16
        assert notes.dtype == np.int32
        assert abs(len(audio) - (SECONDS + TAIL_SECONDS) * SAMPLE_RATE) <= 2
        assert np.abs(audio).max() == pytest.approx(0.5 * 32767, rel=0.05)
        assert_playable(performance(notes, render.pedal))
        assert render.pedal.dtype == np.int32
        assert render.bend.shape == (0, 2), "a piano does not bend"
        assert notes[:, 0].max() < (SECONDS - 0.5) * SAMPLE_RATE


def test_a_renders_notes_begin_where_their_labels_say(plan, tmp_path, begins_at):
    made(replace(plan, exercise_share=0.0), tmp_path, range(6))
    errors = []
    for index in range(6):
        render = load_render(render_path(tmp_path, index))
        audio, notes = render.audio, render.notes
        onsets = notes[:, 0] / SAMPLE_RATE
        errors.append(1000 * (begins_at(audio, SAMPLE_RATE, onsets[0]) - onsets[0]))
    assert np.abs(errors).max() < 3  # ms; measured 1.3


def test_a_render_is_read_as_it_was_stored(tmp_path):
    render = Render(
        np.arange(-5, 5, dtype=np.int16),
        np.array([(1, 4, 60, 80), (3, 9, 64, 70)], np.int32),
        np.array([(2, 8)], np.int32),
        np.array([(1, 0.0), (4, -1.5)], np.float32),
        "strings",
    )
    path = render_path(tmp_path, 7, render.group)
    assert path.name == "render_00007_strings.npz"
    store_render(render, path)
    read = load_render(path)
    for name in ("audio", "notes", "pedal", "bend"):
        stored, given = getattr(read, name), getattr(render, name)
        assert np.array_equal(stored, given)
        assert stored.dtype == given.dtype
    assert read.group == "strings"
    assert [path.name for path in tmp_path.iterdir()] == [path.name]


def test_a_render_that_was_stored_without_pedal_and_bend_is_read_as_having_none(tmp_path):
    np.savez(tmp_path / "old.npz", audio=np.zeros(9, np.int16), notes=np.array([(1, 4, 60, 80)], np.int32))
    render = load_render(tmp_path / "old.npz")
    assert render.notes.tolist() == [[1, 4, 60, 80]]
    assert render.pedal.shape == render.bend.shape == (0, 2)
    assert (render.pedal.dtype, render.bend.dtype, render.group) == (np.int32, np.float32, "")


def test_a_renders_pedal_lies_where_it_is_pressed(plan, tmp_path):
    made(replace(plan, exercise_share=0.0), tmp_path, range(8))
    spans = np.concatenate([load_render(render_path(tmp_path, index)).pedal for index in range(8)])
    assert len(spans)
    assert (spans[:, 0] < spans[:, 1]).all()
    assert spans.max() <= SECONDS * SAMPLE_RATE


@pytest.mark.parametrize("without", ["giantmidi", "pop909"])
def test_renders_without_pieces_to_play_are_refused_with_a_sentence(plan, tmp_path, without):
    with pytest.raises(FileNotFoundError, match="there are no MIDI files to play"):
        made(replace(plan, **{without: ()}), tmp_path, range(1))


def test_exercises_alone_need_no_pieces(recordings, tmp_path):
    plan = RenderPlan((), (), (), recordings, seed=1, seconds=SECONDS, salamander_share=1.0, exercise_share=1.0)
    assert made(plan, tmp_path, range(2)) == ["render_00000.npz", "render_00001.npz"]


def test_pianos_that_are_made_up_need_no_recordings_and_no_font(tmp_path, begins_at):
    plan = RenderPlan((), (), (), None, seed=2, seconds=SECONDS, exercise_share=1.0, modelled_share=1.0)
    for folder in ("one", "other"):
        made(plan, tmp_path / folder, range(3), processes=2)
    for index in range(3):
        path = render_path(tmp_path / "one", index)
        assert same(path, render_path(tmp_path / "other", index))
        render = load_render(path)
        assert abs(len(render.audio) - (SECONDS + TAIL_SECONDS) * SAMPLE_RATE) <= 2
        onset = render.notes[0, 0] / SAMPLE_RATE
        assert -0.001 < begins_at(render.audio, SAMPLE_RATE, onset, share=0.1) - onset < 0.004


def test_what_is_played_does_not_depend_on_who_plays(plan, tmp_path):
    made(plan, tmp_path / "none", range(4))
    made(replace(plan, modelled_share=1e-9), tmp_path / "rare", range(4))
    notes = [load_render(render_path(tmp_path / name, 0)).notes for name in ("none", "rare")]
    assert np.array_equal(*notes)


@pytest.fixture(params=[pytest.param(SOUND_FONT, marks=fluidsynth, id=SOUND_FONT.stem)])
def sound_font(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_a_sound_font_begins_where_the_labels_say(sound_font, performance, begins_at):
    onsets = [0.2, 0.7003, 1.2345, 1.9, 2.4]
    notes = [(onset, onset + 0.1, pitch, 90) for onset, pitch in zip(onsets, (60, 72, 48, 84, 67), strict=True)]
    audio = play_soundfont(performance(notes), sound_font, 0, 3.0)
    assert audio.shape == (3 * RENDER_RATE,)
    errors = [1000 * (begins_at(audio, RENDER_RATE, onset, 0.2) - onset) for onset in onsets]
    assert min(errors) > 0
    assert np.median(errors) < 8  # ms; measured 5: FluidSynth plays in blocks of 2 ms, and a hammer's sound takes time
    assert max(errors) < 12  # measured 9
    assert not audio[: round(0.19 * RENDER_RATE)].any()


def test_a_sound_fonts_pedal_holds_what_is_released(sound_font, performance):
    short = play_soundfont(performance([(0.1, 0.3, 60, 90)]), sound_font, 0, 2.0)
    held = play_soundfont(performance([(0.1, 0.3, 60, 90)], [(0.2, 1.8)]), sound_font, 0, 2.0)
    late = slice(round(1.2 * RENDER_RATE), round(1.5 * RENDER_RATE))
    assert np.std(short[late]) < 0.1 * np.std(held[late])


def test_renders_by_a_sound_font_are_the_same_for_one_seed(sound_font, pop, tmp_path):
    plan = RenderPlan((TAKE,), (pop,), (sound_font,), None, seed=5, seconds=SECONDS, pianos_only=True)
    for folder in ("one", "other"):
        assert made(plan, tmp_path / folder, range(2), processes=2) == ["render_00000.npz", "render_00001.npz"]
    for index in range(2):
        assert same(render_path(tmp_path / "one", index), render_path(tmp_path / "other", index))


def test_the_take_can_be_played_by_a_sound_font(sound_font, begins_at):
    played = prelude()
    audio = play_soundfont(played, sound_font, 0, 5.0)
    onset = played.notes[0, 0]
    assert begins_at(audio, RENDER_RATE, onset) == pytest.approx(onset, abs=0.02)
