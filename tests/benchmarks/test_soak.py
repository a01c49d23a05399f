"""The soak finds what it looks for, happens the same every time, and a short one loses nothing. No time is asserted."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.command import Options
from benchmarks.soak import measure
from benchmarks.soak_chaos import HARMLESS, KINDS, REPLACED, schedule
from benchmarks.soak_material import LOOP_SECONDS, make_material
from benchmarks.soak_replay import compared
from benchmarks.soak_streams import EIGHT, Client, transport_at
from models.registry import BUNDLED
from plugin_bridge.protocol import AudioMessage, MidiMessage

RATE = 48_000


def test_the_eight_are_all_players_and_the_probe():
    assert {part.model for part in EIGHT} == set(BUNDLED)
    assert len({part.name for part in EIGHT}) == len(EIGHT) == 8


def test_a_schedule_is_the_same_for_a_seed_and_has_every_kind_once_a_round():
    slots = schedule(300.0, 12.0, seed=5)
    assert slots == schedule(300.0, 12.0, seed=5)
    assert slots != schedule(300.0, 12.0, seed=6)
    assert len(slots) == 25
    assert {slot.kind for slot in slots[:9]} == {slot.kind for slot in slots[9:18]} == set(KINDS)
    assert [slot.begin for slot in slots] == [12.0 * turn for turn in range(25)]
    assert all(slot.end == slot.begin + 12.0 for slot in slots)
    assert set(HARMLESS) < set(KINDS)


@pytest.mark.parametrize("part", EIGHT, ids=lambda part: part.name)
def test_material_comes_in_blocks_and_begins_again(part):
    material = make_material(part.plays, part.rate, 3)
    assert material.length == round(LOOP_SECONDS * part.rate)
    heard = [material.block(place, part.block) for place in range(0, 2 * material.length, part.block)]
    assert {block.shape for block in heard} == {(1, part.block)}
    whole = np.concatenate(heard, axis=1)
    assert np.array_equal(whole[:, : material.length], material.audio[:, : material.length])
    again = whole[:, material.length : 2 * material.length]
    assert np.array_equal(again, material.audio[:, : again.shape[1]][:, : material.length])
    told = [row for place in range(0, 2 * material.length, part.block) for row in material.midi_in(place, part.block)]
    expected = [(row[0] + turn * material.length, *row[1:]) for turn in (0, 1) for row in material.midi]
    assert [row for row in told if row[0] < 2 * material.length] == expected
    assert bool(np.any(material.audio)) != bool(material.midi)


def test_a_host_tells_its_transport_once_a_second():
    drums = next(part for part in EIGHT if part.told)
    told = {place: transport_at(drums, place) for place in range(0, 3 * RATE, drums.block)}
    said = [row for row in told.values() if row is not None]
    assert [row[0] // RATE for row in said] == [0, 1, 2]
    assert said[0] == (0, True, 0, 120.0, 0.0, 1, 0.0)
    assert said[2][4] == pytest.approx(4.0, abs=0.05)
    assert said[2][5] == 2


def heard_by(part, *midi: tuple[int, int, int]) -> Client:
    client = Client(part, None, make_material(part.plays, part.rate, 0), heard=[])
    client._hear(MidiMessage(1, place, place, *row) for place, row in enumerate(midi))
    return client


def test_what_hangs_what_is_doubled_and_what_ends_unbegun_is_counted():
    part = EIGHT[0]
    well = heard_by(
        part, (0x90, 60, 9), (0x91, 60, 9), (0x80, 60, 0), (0x90, 60, 9), (0x90, 60, 0), (0x81, 60, 0)
    ).account
    assert (well.note_ons, well.note_offs, well.doubled, well.stray) == (3, 3, 0, 0)
    ill = heard_by(part, (0x90, 60, 9), (0x90, 60, 9), (0x80, 61, 0), (0xB0, 64, 127))
    assert (ill.account.doubled, ill.account.stray) == (1, 1)
    assert ill._sounding == Counter({(0, 60): 1, (0, 61): 0})


def test_what_a_guest_missed_and_what_it_heard_too_often_is_counted():
    guest = heard_by(EIGHT[0], (0x90, 60, 9), (0x80, 60, 0), (0x80, 60, 0))
    assert guest.heard == [(0, 0, 0x90, 60, 9), (1, 1, 0x80, 60, 0), (2, 2, 0x80, 60, 0)]
    assert compared(guest, guest.heard) == (0, 0)
    assert compared(guest, [*guest.heard[:1], (5, 5, 0x90, 61, 9)]) == (1, 2)


class Wire:
    """Answers what a test wants, as a BridgeStream would have heard it."""

    def __init__(self) -> None:
        self.processed, self.answered, self.coming, self.number = 0, 0, [], 1

    def receive(self):
        coming, self.coming = self.coming, []
        return coming

    def send(self, place, samples) -> bool:
        return True


def test_late_and_lost_blocks_are_told_apart():
    part = replace(EIGHT[0], block=480)
    wire = Wire()
    client = Client(part, wire, make_material(part.plays, part.rate, 0))
    for turn in range(4):
        client.send(10.0 + 0.01 * turn)
    wire.processed, wire.answered = 480, 1
    client.read(10.005)
    wire.processed, wire.answered = 4 * 480, 2  # of three, one is the newest
    client.read(10.0505)
    account = client.account
    assert account.blocks == 4
    assert account.lost == [(10.0505, 2)]
    assert [round(seconds, 4) for _, seconds in account.late] == [0.0205]
    assert not client._pending


def test_audio_that_does_not_come_with_its_answer_is_counted():
    part = next(part for part in EIGHT if part.plays == "midi")
    wire = Wire()
    wire.send_midi = lambda *row: None
    client = Client(part, wire, make_material(part.plays, part.rate, 0))
    audio = AudioMessage(1, 0, np.zeros((1, part.block), np.float32))
    client.send(1.0)
    client.send(1.0)
    wire.coming, wire.answered, wire.processed = [audio], 0, 0
    client.read(1.0)
    wire.answered, wire.processed = 2, 2 * part.block
    client.read(1.0)
    assert client.account.silent == 1


@pytest.fixture(scope="module")
def rows():
    """A soak in which everything happens once."""
    return {row["case"]: row for row in measure(Options(3.0 * len(KINDS)), seed=2)}


def test_in_a_short_soak_everything_happens_and_nothing_hangs_is_doubled_or_lost(rows):
    assert list(rows) == [*(f"soak, {kind}" for kind in KINDS), "soak, whole"]
    assert {rows[f"soak, {kind}"]["times"] for kind in KINDS} == {1}
    whole = rows["soak, whole"]
    assert whole["hanging"] == whole["doubled"] == whole["silent"] == 0
    assert whole["lost_events"] == whole["events_too_many"] == 0
    assert whole["guests"] + whole["guests_held_up"] == 3
    # An engine that is killed just after an end left, and before it said so, has it sent once more.
    assert whole["note_ons"] == whole["note_offs"] - whole["stray"] > 100
    assert whole["stray"] <= 1
    assert whole["streams"] >= len(EIGHT) + 3 + 1  # guests, and a player who left
    assert whole["engines_early"] == whole["engines_last"] == 2 * len(BUNDLED)


@pytest.mark.parametrize("kind", ["kill", "freeze", "stall", "overload"])
def test_after_each_failure_streams_are_answered_again(rows, kind):
    row = rows[f"soak, {kind}"]
    assert row["answered_max_ms"] > 0
    assert ("attached_max_ms" in row) == (kind in REPLACED)
    assert not row.get("never_attached")
