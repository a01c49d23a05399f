"""What the piano's renders are made from: which pieces, which instruments, how many, and what validation keeps to itself."""

import json
from pathlib import Path

import pytest

from models.sound.exercises import FAST_KEYS
from models.transcriber import plans
from models.transcriber.plans import FAST_SHARE, LOW_TRANSPOSITION, MODELLED_SHARE, VALIDATION_RENDERS, renders_of

SPLIT = json.loads(Path(plans.__file__).with_name("split.json").read_text())
HOURS = 4.0


@pytest.fixture
def planned(tmp_path, monkeypatch):
    """What `renders_of` yields for a folder that holds the names of pieces on both sides of the split."""
    songs = ["001", "002", *SPLIT["validation_pop909"]]
    for path in (
        *(tmp_path / "midi_giantmidi56" / f"{name}.mid" for name in ("one", "two", *SPLIT["validation_giantmidi"])),
        *(tmp_path / "midi_pop909" / song / f"{song}.mid" for song in songs),
    ):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    monkeypatch.setattr(plans, "_font", Path)
    return list(renders_of("piano", tmp_path, 5, HOURS))


def test_validation_hears_no_piece_and_no_font_of_training_and_no_made_up_piano(planned):
    (side, validation, indices), *training = planned
    assert (side, indices) == ("validation", range(VALIDATION_RENDERS["piano"]))
    assert {other for other, _, _ in training} == {"training"}
    assert validation.modelled_share == 0
    for _, plan, _ in training:
        for name in ("giantmidi", "pop909", "fonts"):
            assert getattr(plan, name)
            assert not set(getattr(plan, name)) & set(getattr(validation, name))


def test_training_renders_are_numbered_on_from_pieces_to_low_ones_to_fast_keys(planned):
    pieces, low, fast = planned[1:]
    count = HOURS * 60
    assert [pieces[2].start, low[2].start, fast[2].start] == [0, pieces[2].stop, low[2].stop]
    assert low[2].stop == count
    assert len(fast[2]) == round(FAST_SHARE * count)
    assert low[1].transposition == LOW_TRANSPOSITION
    assert fast[1].exercises == FAST_KEYS
    assert fast[1].exercise_share == 1
    assert len({plan.seed for _, plan, _ in planned}) == 4


def test_made_up_pianos_play_in_all_of_training(planned):
    assert [plan.modelled_share for _, plan, _ in planned[1:]] == [MODELLED_SHARE] * 3
