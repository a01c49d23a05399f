"""A render of any instrument is what its seed says, in its group's range, and sounds where its labels say."""

import json
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.sound import general
from models.sound.general import GeneralPlan, general_plans
from models.sound.instruments import INSTRUMENTS, SHARES
from models.sound.renders import SAMPLE_RATE, TAIL_SECONDS, Render, RenderPlan, load_render, make_renders
from models.sound.soundfont import RENDER_RATE, play_soundfont

SOUND_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
SPLIT = Path(general.__file__).with_name("general_split.json")
PIANO_SPLIT = SPLIT.parents[1] / "transcriber" / "split.json"
RATE, SECONDS = 16_000, 6.0
fluidsynth = (
    pytest.mark.fluidsynth,
    pytest.mark.skipif(shutil.which("fluidsynth") is None, reason="fluidsynth is not installed"),
    pytest.mark.skipif(not SOUND_FONT.exists(), reason="TimGM6mb.sf2 (timgm6mb-soundfont) is not installed"),
)
GROUPS = [pytest.param(group, marks=fluidsynth) for group in INSTRUMENTS]


@pytest.fixture(scope="module")
def bass_notes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Plucked sines of 3 s over the range of a bass, that begin 30 ms into their files."""
    folder = tmp_path_factory.mktemp("bass")
    time = np.arange(3 * RATE) / RATE
    for name, pitch in (("e2", 28), ("a2", 33), ("d3", 38), ("g3", 43), ("c4", 48), ("f4", 53), ("a4", 57)):
        tone = np.sin(2 * np.pi * 440 * 2 ** ((pitch - 69) / 12) * time) * np.exp(-time) * np.minimum(1, time / 0.002)
        soundfile.write(folder / f"{name}_f_rr1.ogg", np.append(np.zeros(480), 0.5 * tone), RATE)
    return folder


@pytest.fixture
def plan(library, recordings, bass_notes) -> GeneralPlan:
    piano = RenderPlan(library.giantmidi, library.pop909, (SOUND_FONT,), recordings, 5, SECONDS, salamander_share=1.0)
    return GeneralPlan(piano, library, basses=(bass_notes,))


@pytest.fixture
def recorded(plan, monkeypatch) -> GeneralPlan:
    """Basses only, all of them recorded ones: what can be played without FluidSynth."""
    monkeypatch.setattr(general, "RECORDED_SHARE", {"bass": 1.0})
    return replace(plan, groups=("bass",))


def same(one: Render, other: Render) -> bool:
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in one.__slots__)


def assert_in_order(render: Render) -> None:
    assert render.audio.dtype == np.int16
    assert abs(len(render.audio) - (SECONDS + TAIL_SECONDS) * SAMPLE_RATE) <= 2
    assert np.abs(render.audio).max() == pytest.approx(0.5 * 32767, rel=0.05)
    assert len(render.notes)
    assert (render.notes[:, 1] > render.notes[:, 0]).all()
    assert render.notes[:, 1].max() <= SECONDS * SAMPLE_RATE
    assert (np.diff(render.bend[:, 0]) > 0).all()
    assert np.abs(render.bend[:, 1]).max(initial=0) <= 2


def test_a_render_is_the_same_for_its_index_alone_and_another_for_another(recorded, tmp_path):
    whole = list(make_renders(recorded, tmp_path / "whole", range(4), 2))
    (single,) = make_renders(recorded, tmp_path / "single", range(2, 3), 1)
    assert single.name == "render_00002_bass.npz"
    assert same(load_render(tmp_path / "whole" / single.name), load_render(single))
    renders = [load_render(path) for path in sorted(whole)]
    assert not any(same(renders[0], other) for other in renders[1:])
    for render in renders:
        assert_in_order(render)
        assert render.group == "bass"


def test_a_cache_is_continued_where_it_was_left(recorded, tmp_path):
    renders = make_renders(recorded, tmp_path, range(4), 1)
    first = next(renders)
    renders.close()
    before = first.stat().st_mtime_ns
    list(make_renders(recorded, tmp_path, range(4), 1))
    assert len(list(tmp_path.glob("render_*_bass.npz"))) == 4
    assert list(make_renders(recorded, tmp_path, range(4), 1)) == []
    assert first.stat().st_mtime_ns == before


def test_half_of_the_lines_that_can_bend_do(recorded):
    play = recorded.player()
    bent = [len(play(index).bend) > 0 for index in range(24)]
    assert 6 <= sum(bent) <= 18


def test_what_is_plucked_begins_where_its_label_says(recorded, begins_at):
    play = recorded.player()
    errors = []
    for index in range(8):
        render = play(index)
        alone = render.notes[np.append(np.inf, np.diff(render.notes[:, 0])) > 0.3 * SAMPLE_RATE, 0] / SAMPLE_RATE
        gaps = [on for on in alone if not np.abs(render.audio[round((on - 0.03) * RATE) : round(on * RATE) - 16]).any()]
        errors += [1000 * (begins_at(render.audio, SAMPLE_RATE, on, 0.1) - on) for on in gaps or alone[:1]]
    assert np.abs(errors).max() <= 5  # ms


@pytest.mark.parametrize("program", [pytest.param(program, marks=fluidsynth) for program in (24, 25, 27, 33, 34, 105)])
def test_what_a_sound_font_plucks_begins_soon_after_its_label(program, performance, begins_at):
    onsets = [0.2, 0.9003, 1.6345, 2.4]
    notes = [(onset, onset + 0.2, pitch, 90) for onset, pitch in zip(onsets, (52, 48, 55, 60), strict=True)]
    audio = play_soundfont(performance(notes), SOUND_FONT, program, 3.2)
    errors = [1000 * (begins_at(audio, RENDER_RATE, onset, 0.1) - onset) for onset in onsets]
    assert min(errors) > 0
    assert (
        np.median(errors) <= 7
    )  # ms; measured 2.5 to 7: FluidSynth's blocks are 2 to 4 ms of it, the strings' swing the rest
    assert max(errors) <= 9  # measured 8.0


@pytest.mark.parametrize("group", GROUPS)
def test_every_groups_renders_keep_to_its_range_and_repeat(group, plan):
    plan = replace(plan, groups=(group,), basses=())
    play, again = plan.player(), plan.player()
    lowest = min(36 if group == "synth" else 128, *(instrument.lowest for instrument in INSTRUMENTS[group]))
    highest = max(96 if group == "synth" else 0, *(instrument.highest for instrument in INSTRUMENTS[group]))
    for index in range(3):
        render = play(index)
        assert_in_order(render)
        assert render.group == group
        assert render.notes[:, 2].min() >= lowest
        assert render.notes[:, 2].max() <= highest
    assert same(render, again(2))


def test_the_piano_is_the_pianos_own_plan_and_a_fifth_of_all(plan):
    groups = Counter(plan.group(index) for index in range(1000))
    assert groups["piano"] == pytest.approx(200, abs=40)
    assert set(groups) == set(SHARES)
    index = next(index for index in range(100) if plan.group(index) == "piano")
    render, own = plan.player()(index), plan.piano.player()(index)
    assert same(replace(render, group=""), own)
    assert render.group == "piano"


def test_pieces_that_are_missing_are_named(plan):
    silent = replace(plan, library=replace(plan.library, band=(), multitrack=()))
    with pytest.raises(FileNotFoundError, match="no MIDI files of band, multitrack"):
        silent.player()


def test_training_and_validation_share_no_piece_and_no_font(tmp_path):
    split = json.loads(SPLIT.read_text())
    for name in ("midi_pop909/850/850.mid", "midi_pop909/851/851.mid", "midi_pop909_band/850_1.mid",
                 "midi_pop909_band/851_0.mid", "midi_multitrack/game/some.mid", "midi_giantmidi56/some.mid",
                 *(f"midi_multitrack/game/{name}.mid" for name in split["validation_multitrack"][:3]),
                 *(f"midi_multitrack/game/{name}.mid" for name in split["unreadable_multitrack"]),
                 f"midi_giantmidi56/{split['validation_giantmidi'][0]}.mid"):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    training, validation = general_plans(tmp_path, 1, (Path("a.sf2"),), Path("b.sf2"))
    heard, held = ({path.stem for name in ("pop909", "band", "multitrack", "giantmidi") for path in getattr(plan.library, name)}
                   for plan in (training, validation))  # fmt: skip
    assert heard == {"850", "850_1", "some"}
    assert held == {"851", "851_0", *split["validation_multitrack"][:3], split["validation_giantmidi"][0]}
    assert (training.piano.fonts, validation.piano.fonts) == ((Path("a.sf2"),), (Path("b.sf2"),))
    assert training.piano.seed != validation.piano.seed
    assert validation.groups is not None
    assert len(validation.groups) == 8
    assert validation.fonts_only


def test_the_pianos_held_out_pieces_are_held_out_here_too():
    ours, pianos = json.loads(SPLIT.read_text()), json.loads(PIANO_SPLIT.read_text())
    assert set(pianos["validation_giantmidi"]) <= set(ours["validation_giantmidi"])
    assert ours["last_training_pop909"] <= pianos["last_training_pop909"]
    assert len(set(ours["validation_multitrack"])) == 15
