"""The note tracker on activations made by hand, and on those of a network that knows the notes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.events import Event, NoteOff, NoteOn
from models.transcriber.config import LOWEST_PITCH, PITCHES
from models.transcriber.decode import Clock, DecodeSettings, NoteTracker
from models.transcriber.targets import Score

PITCH, LOW = 60, 30
CLOCK = Clock(16_000, 128, 2, (0, 160, 320, 640, 1280, 2560))
NOW, LATER, LATEST = 0, 3, 5  # heads
SETTINGS = DecodeSettings(onset={NOW: 0.5}, low_onset={NOW: 0.5}, frame_head=NOW, frame=0.3)
BOTH = replace(SETTINGS, onset={NOW: 0.8, LATER: 0.5}, low_onset={LATER: 0.4})


class Player:
    """Feeds a tracker with activations of one pitch, hop by hop; `end` is where the newest hop ends."""

    def __init__(self, settings: DecodeSettings = SETTINGS, single: bool = False) -> None:
        self.tracker = NoteTracker(settings, CLOCK, single)
        self.events: list[Event] = []
        self.end = 0

    def hop(
        self,
        onset: float = 0.0,
        frame: float = 0.0,
        velocity: float = 0.5,
        shift: float = 0.0,
        offset: float = 0.0,
        pitch: int = PITCH,
        head: int = NOW,
        others: tuple[tuple[int, float], ...] = (),
        open_to_new: bool = True,
    ) -> list[Event]:
        """others: more pitches with their onsets."""
        said = {"onset": onset, "frame": frame, "velocity": velocity, "shift": shift, "offset": offset}
        outputs = {name: np.zeros((1, len(CLOCK.look_ahead), PITCHES), np.float32) for name in said}
        for name, value in said.items():
            outputs[name][0, head if name == "onset" else slice(None), pitch - LOWEST_PITCH] = value
        for other, value in others:
            outputs["onset"][0, head, other - LOWEST_PITCH] = value
            outputs["frame"][0, :, other - LOWEST_PITCH] = frame
        self.end += CLOCK.hop
        new = self.tracker.step(self.end, outputs, open_to_new)
        self.events += new
        return new

    def hops(self, count: int, **said: float) -> None:
        for _ in range(count):
            self.hop(**said)


def test_a_note_starts_where_the_shift_says_in_the_frame_spoken_about():
    player = Player()
    player.hops(4)
    assert player.hop(onset=0.9, velocity=100 / 127, shift=0.25) == [NoteOn(5 * 128 - 256 + 64, PITCH, 100)]


def test_a_head_that_looks_ahead_places_the_note_so_much_earlier():
    player = Player(BOTH)
    player.hops(9)
    assert player.hop(onset=0.6, shift=1.0, head=LATER) == [NoteOn(10 * 128 - 640 - 256 + 256, PITCH, 64)]


def test_an_attack_places_the_note_so_much_later_and_changes_nothing_else():
    plain, bowed = Player(), Player(replace(SETTINGS, attack=160.0))
    for player in (plain, bowed):
        player.hop(onset=0.9, frame=0.9)
    (one,), (other,) = plain.events, bowed.events
    assert other == replace(one, sample=one.sample + 160.0)


def test_a_note_is_placed_at_most_a_frame_before_and_two_after_the_frame_spoken_about():
    for said, meant in ((-2.5, -1.0), (2.5, 2.0)):
        player = Player()
        player.hops(4)
        assert player.hop(onset=0.9, shift=said)[0].sample == 5 * 128 - 256 + 256 * meant


def test_a_note_ends_when_the_mean_of_both_phases_is_low():
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    player.hops(10, frame=0.9)
    assert player.hop(frame=0.0) == [], "the other phase is at 0.9"
    assert player.hop(frame=0.9) == []
    player.hop(frame=0.2)
    assert player.hop(frame=0.2) == [NoteOff(player.end - 256, PITCH)]


def test_a_note_ends_when_both_phases_hear_its_offset():
    player = Player(replace(SETTINGS, offset=0.6))
    player.hop(onset=0.9, frame=0.9)
    player.hops(10, frame=0.9)
    assert player.hop(frame=0.9, offset=0.9) == []
    assert player.hop(frame=0.9, offset=0.4) == [NoteOff(player.end - 256, PITCH)]


def test_an_offset_heard_counts_for_nothing_where_no_threshold_is_set():
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    player.hops(10, frame=0.9, offset=1.0)
    assert [type(e) for e in player.events] == [NoteOn]


def test_an_onset_that_stays_high_is_one_note():
    player = Player()
    player.hops(40, onset=0.9, frame=0.9)
    assert [type(e) for e in player.events] == [NoteOn]


def test_the_onset_of_the_other_phase_is_no_second_note():
    player = Player()
    for _ in range(20):  # one phase hears it for long, the other hardly
        player.hop(onset=0.9, frame=0.9)
        player.hop(onset=0.1, frame=0.9)
    assert [type(e) for e in player.events] == [NoteOn]


def test_a_sounding_pitch_struck_again_ends_and_starts_at_one_place():
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    player.hops(8, frame=0.9)
    again = player.hop(onset=0.8, frame=0.9, shift=0.5)
    assert again == [NoteOff(player.end - 128, PITCH), NoteOn(player.end - 128, PITCH, 64)]


@pytest.mark.parametrize(("hops", "notes"), [(4, 1), (5, 1), (6, 2)])
def test_no_pitch_repeats_within_45_ms(hops, notes):
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    player.hops(hops - 1, frame=0.9)
    player.hop(onset=0.9, frame=0.9)
    assert sum(isinstance(e, NoteOn) for e in player.events) == notes


def test_a_later_head_says_nothing_new_about_an_onset_that_an_early_one_was_sure_of():
    player = Player(BOTH)
    player.hop(onset=0.9, frame=0.9, shift=0.5)
    player.hops(4, frame=0.9)
    for wrong_by in (-0.4, 0.0, 0.4):  # frames
        assert player.hop(onset=0.9, frame=0.9, shift=0.5 + wrong_by, head=LATER) == []
    assert len(player.events) == 1


def test_a_later_head_adds_what_was_doubtful():
    player = Player(BOTH)
    assert player.hop(onset=0.7, frame=0.9) == []
    player.hops(4, frame=0.9)
    assert player.hop(onset=0.6, frame=0.9, head=LATER) == [NoteOn(player.end - 640 - 256, PITCH, 64)]


def test_two_heads_that_hear_two_onsets_of_a_key_in_one_hop_end_the_first_where_the_second_starts():
    tracker = NoteTracker(replace(SETTINGS, onset={NOW: 0.5, LATEST: 0.5}), CLOCK)
    outputs = {
        name: np.zeros((1, 6, PITCHES), np.float32) for name in ("onset", "frame", "velocity", "shift", "offset")
    }
    outputs["onset"][0, [NOW, LATEST], PITCH - LOWEST_PITCH] = 0.9
    first, second = 3840 - 2560 - 256, 3840 - 256
    on, again = NoteOn(first, PITCH, 1), NoteOn(second, PITCH, 1)
    assert tracker.step(3840, outputs) == [on, NoteOff(second, PITCH), again]
    assert tracker.end_all(4000.0) == [NoteOff(4000.0, PITCH)]


def test_a_note_begins_no_earlier_than_its_keys_last_one_ended():
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    player.hops(6, frame=0.9)
    player.hops(2)
    assert player.events[1] == NoteOff(1152 - 256, PITCH)
    assert player.hop(onset=0.9, shift=-1.0) == [NoteOn(1152 - 256, PITCH, 64)], "not 128 samples before it"


def test_a_later_head_does_not_strike_again_a_note_that_is_over():
    player = Player(BOTH)
    player.hop(onset=0.9, frame=0.9)
    player.hops(4)
    assert [type(e) for e in player.events] == [NoteOn, NoteOff]
    assert player.hop(onset=0.9, head=LATER) == []


def test_registers_have_thresholds_of_their_own_and_a_head_left_out_has_no_vote():
    player = Player(BOTH)
    player.hops(9)
    assert player.hop(onset=1.0, pitch=LOW, head=NOW) == [], "it may not speak about low keys"
    assert player.hop(onset=0.45, pitch=PITCH, head=LATER) == []
    assert player.hop(onset=0.45, pitch=40, head=LATER) == []
    assert player.hop(onset=1.0, pitch=PITCH, head=1) == []
    assert [e.pitch for e in player.hop(onset=0.45, pitch=39, head=LATER)] == [39]


def test_a_young_note_survives_a_frame_activation_that_lags():
    player = Player()
    player.hop(onset=0.9)
    player.hops(3)
    assert len(player.events) == 1
    assert player.hop() == [NoteOff(player.end - 256, PITCH)]


def test_a_single_instrument_starts_one_note_by_ending_the_other():
    player = Player(single=True)
    player.hop(onset=0.9, frame=0.9)
    player.hops(8, frame=0.9)
    place = player.end + CLOCK.hop - 256
    assert player.hop(onset=0.9, frame=0.9, pitch=67) == [NoteOff(place, PITCH), NoteOn(place, 67, 64)]


def test_of_several_onsets_a_single_instrument_plays_the_surest():
    player = Player(single=True)
    assert [e.pitch for e in player.hop(onset=0.7, frame=0.9, others=((48, 0.6), (72, 0.8)))] == [72]
    assert [e.pitch for e in Player().hop(onset=0.7, frame=0.9, others=((48, 0.6), (72, 0.8)))] == [48, 60, 72]


def test_a_shut_gate_starts_no_note_and_ends_those_that_sound():
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    player.hops(8, frame=0.9)
    assert player.hop(onset=0.9, pitch=72, open_to_new=False) == []
    assert player.hop(open_to_new=False) == [NoteOff(player.end - 256, PITCH)]


@pytest.mark.parametrize(("sensitivity", "heard"), [(0.0, False), (0.5, False), (1.0, True)])
def test_more_sensitivity_hears_a_softer_onset(sensitivity: float, heard: bool):
    player = Player()
    player.tracker.sensitivity = sensitivity
    assert bool(player.hop(onset=0.3, frame=0.9)) == heard


def test_no_sensitivity_gives_a_vote_to_a_head_that_has_none():
    player = Player(BOTH)
    player.tracker.sensitivity = 1.0
    player.hops(9)
    assert player.hop(onset=1.0, pitch=LOW, head=NOW) == []


def test_pitches_outside_the_range_are_not_reported():
    player = Player()
    player.tracker.lowest = 61
    assert player.hop(onset=0.9, frame=0.9) == []
    assert [e.pitch for e in player.hop(onset=0.9, frame=0.9, pitch=61)] == [61]


def test_velocity_is_never_zero_nor_above_127():
    player = Player()
    player.hop(onset=0.9, velocity=-1.0)
    player.hop(onset=0.9, velocity=7.0, pitch=70)
    assert [e.velocity for e in player.events if isinstance(e, NoteOn)] == [1, 127]


def test_end_all_ends_what_sounds_once():
    player = Player()
    player.hop(onset=0.9, frame=0.9)
    assert player.tracker.end_all(9.0) == [NoteOff(9.0, PITCH)]
    assert player.tracker.end_all(9.0) == []


def test_settings_are_read_from_a_manifests_words():
    written = {
        "onset": {"0": 0.5},
        "low_onset": {"3": 0.4},
        "frame_head": 3,
        "frame": 0.3,
        "hold": 0,
        "live_delay": 600,
    }
    assert DecodeSettings.read(written) == DecodeSettings({0: 0.5}, {3: 0.4}, 3, 0.3)
    assert DecodeSettings.read(written | {"offset": 0.6, "pedal": 0.4}).offset == 0.6


def decoded(told: Callable[..., dict[str, np.ndarray]], notes: np.ndarray, settings: DecodeSettings) -> np.ndarray:
    """Return what is heard, (notes, 4), of a network that knows `notes`, both by onset."""
    hops = int(notes[:, 1].max() + 6000) // CLOCK.hop
    outputs, tracker, heard, sounding = told(Score(notes, np.zeros((0, 2)), np.zeros((0, 2))), hops), None, [], {}
    tracker = NoteTracker(settings, CLOCK)
    for hop in range(hops):
        for event in tracker.step((hop + 1) * CLOCK.hop, {name: value[None, hop] for name, value in outputs.items()}):
            if isinstance(event, NoteOn):
                sounding[event.pitch] = (event.sample, event.velocity)
            else:
                onset, velocity = sounding.pop(event.pitch)
                heard.append((onset, event.sample, event.pitch, velocity))
    assert not sounding
    return np.array(sorted(heard))


MUSIC = np.array([
    (5_001, 9_000, 60, 30), (9_801, 12_000, 60, 90), (9_802, 20_000, 64, 64), (12_777, 20_000, 24, 64),
    (21_000, 25_500, 108, 1), (21_000, 25_000, 21, 127),
])  # fmt: skip


@pytest.mark.parametrize("head", range(6))
def test_a_head_that_says_what_it_is_told_is_decoded_to_the_notes(told, head):
    heard = decoded(told, MUSIC, DecodeSettings({head: 0.5}, {head: 0.5}, head, 0.5))
    by_onset = MUSIC[np.lexsort((MUSIC[:, 2], MUSIC[:, 0]))]
    heard = heard[np.lexsort((heard[:, 2], heard[:, 0].round()))]
    assert heard[:, 2:].tolist() == by_onset[:, 2:].tolist()
    assert heard[:, 0] == pytest.approx(by_onset[:, 0], abs=0.01)  # samples
    assert np.abs(heard[:, 1] - by_onset[:, 1]).max() <= CLOCK.frame


@pytest.mark.parametrize("votes", [{0: 0.5}, {5: 0.5}, dict.fromkeys(range(6), 0.5)], ids=["now", "late", "all"])
def test_strokes_50_ms_apart_are_all_heard(told, votes):
    trill = np.array([(5_003 + 800 * n, 5_003 + 800 * n + 700, 60, 64) for n in range(12)])
    heard = decoded(told, trill, DecodeSettings(votes, votes, max(votes), 0.5))
    assert heard[:, 0] == pytest.approx(trill[:, 0], abs=0.01)
