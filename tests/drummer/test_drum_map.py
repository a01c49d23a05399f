"""The notes that are sent: General MIDI's, another kit's, or one's own."""

import pytest

from models.drummer.drum_map import MAPS, PIECES, drum_map
from models.manifest import ManifestError


def test_general_midi_is_sent_as_it_is_planned():
    assert drum_map("general_midi", "") == {note: note for note in PIECES.values()}


def test_other_kits_have_their_toms_elsewhere():
    toms = [PIECES[name] for name in ("tom_low", "tom_middle", "tom_high")]
    assert [drum_map("roland", "")[note] for note in toms] == [43, 45, 48]
    assert [drum_map("hydrogen", "")[note] for note in toms] == [41, 43, 45]
    for name in MAPS:
        assert [drum_map(name, "")[PIECES[piece]] for piece in ("kick", "snare", "hat")] == [36, 38, 42]


def test_notes_of_ones_own_lie_over_the_map():
    sent = drum_map("roland", " kick = 35,snare=40 ,")
    assert (sent[36], sent[38], sent[45]) == (35, 40, 43)


@pytest.mark.parametrize(
    "own", ["kick", "kick=", "kick=-1", "kick=128", "kick=a", "gong=3", "kick=36;snare=38", "kick=²"]
)
def test_what_is_no_map_is_refused_by_name(own):
    with pytest.raises(ManifestError, match="drum_notes has"):
        drum_map("general_midi", own)
