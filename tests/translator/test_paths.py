"""A path as text, and where it is at any time."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.manifest import ManifestError
from models.translator.notes import DYNAMICS, INSTRUMENTS
from models.translator.paths import Label, Spot, read_path


def label(instrument, dynamics=None):
    return Label(None if instrument is None else INSTRUMENTS.index(instrument), dynamics and DYNAMICS.index(dynamics))


def shares(spot: Spot) -> dict[Label, float]:
    """How much of each label is in a spot, whichever end it is."""
    found = {spot.here: 1 - spot.morph}
    found[spot.there] = found.get(spot.there, 0.0) + spot.morph
    return {one: round(share, 9) for one, share in found.items() if share > 1e-9}


def test_at_each_time_it_is_there_and_between_two_on_the_way():
    path = read_path("flute pp 0, cello ff 1.5, piano 3")
    flute, cello, piano = (label(*words) for words in (("flute", "pp"), ("cello", "ff"), ("piano", "ff")))
    assert shares(path.at(0)) == {flute: 1}
    assert shares(path.at(0.5)) == {flute: pytest.approx(2 / 3), cello: pytest.approx(1 / 3)}
    assert shares(path.at(1.5)) == {cello: 1}
    assert shares(path.at(2.25)) == {cello: 0.5, piano: 0.5}
    assert shares(path.at(3)) == shares(path.at(1000)) == {piano: 1}
    assert all(path.at(second).pull == 0 for second in (0, 1, 2, 3, 4))


def test_what_is_unsaid_is_as_before_and_it_comes_from_the_parameters():
    path = read_path("ff 1, pp piano 2")
    assert shares(path.at(0)) == {Label(): 1}
    assert shares(path.at(0.5)) == {Label(): 0.5, label(None, "ff"): 0.5}
    assert shares(path.at(2)) == {label("piano", "pp"): 1}
    assert shares(read_path("trumpet 0").at(7)) == {label("trumpet"): 1}
    assert read_path("") is None
    assert read_path("  ") is None


def test_points_of_the_map_and_labels_mix():
    path = read_path("flute 0, -0.5 0.8 1, 0.5 0.2 2, cello 3")
    entering, across, leaving = path.at(0.25), path.at(1.5), path.at(2.75)
    assert entering[3:] == (-0.5, 0.8, 0.25)
    assert across[3:] == pytest.approx((0.0, 0.5, 1.0))
    assert leaving[3:] == (0.5, 0.2, 0.25)
    assert shares(entering) == shares(across) == {label("flute"): 1}
    assert shares(leaving) == {label("flute"): 0.25, label("cello"): 0.75}


def test_a_loop_goes_round():
    path = read_path("flute 1, cello 2, piano 3, loop 5")
    assert shares(path.at(0.5)) == {Label(): 0.5, label("flute"): 0.5}
    assert shares(path.at(4)) == {label("piano"): 0.5, label("flute"): 0.5}
    for second in (1.0, 1.75, 2.5, 3.0, 4.5):
        for rounds in (1, 2, 7):
            assert shares(path.at(second + 4 * rounds)) == shares(path.at(second))


POINTS = st.tuples(st.sampled_from([*INSTRUMENTS, "0.5 -1", "-1.5 0.25"]), st.sampled_from(["", *DYNAMICS]))


@given(st.lists(POINTS, min_size=1, max_size=6), st.booleans(), st.booleans())
def test_nothing_jumps_that_counts(points, late, looped):
    """From one instant to the next the shares of the labels, the place on the map and its pull are almost the same, and so are the ends
    by themselves: one that changes counts next to nothing."""
    words = [f"{what} {'' if '.' in what else dynamics} {late + n}" for n, (what, dynamics) in enumerate(points)]
    path = read_path(", ".join([*words, *([f"loop {late + len(points) + 1}"] if looped else [])]))
    before = path.at(0)
    for second in np.arange(0.005, 16, 0.005):
        spot = path.at(second)
        all_of = shares(before) | shares(spot)
        assert all(abs(shares(spot).get(one, 0) - shares(before).get(one, 0)) < 0.006 for one in all_of)
        assert abs(spot.pull - before.pull) < 0.006
        assert before.here == spot.here or min(1 - before.morph, 1 - spot.morph) < 0.006 or before.here == before.there
        assert before.there == spot.there or min(before.morph, spot.morph) < 0.006 or before.here == before.there
        if min(spot.pull, before.pull) > 0.006:
            assert np.hypot(spot.x - before.x, spot.y - before.y) < 0.02
        before = spot


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("flute zz 0", "path has 'zz' in 'flute zz 0'; allowed: violin, cello, "),
        ("flute", "path has 'flute'; a point is an instrument, a dynamic or both, or x and y on the map (-1.5 to 1.5), and then its time"),
        ("flute pp", "path has 'flute pp', in which its time is 'pp'; allowed: 0 to 3600"),
        ("flute cello 1", "path has 'flute cello 1'; a point is an instrument, a dynamic or both"),
        ("flute 0, cello 2, piano 2", "path has 'piano 2' after 2 s; each time is later than the one before"),
        ("flute 0, loop 0", "path has 'loop 0' after 0 s; each time is later"),
        ("flute 0, loop", "path has 'loop'; allowed: points, and last 'loop' and the time in seconds"),
        ("loop 3", "path has 'loop 3'; allowed: points, and last 'loop'"),
        ("loop 3, flute 4", "path has 'loop' in 'loop 3'; allowed: violin"),
        ("flute -1", "path has 'flute -1', in which its time is '-1'; allowed: 0 to 3600"),
        ("flute nan", "in which its time is 'nan'; allowed: 0 to 3600"),
        ("2 0 1", "path has '2 0 1', in which x is '2'; allowed: -1.5 to 1.5"),
        ("0 0.5", "path has '0' in '0 0.5'; allowed: violin"),
        ("flute 0,,cello 1", "path has ''; a point is"),
        ("flute 0,", "path has ''; a point is"),
    ],
)  # fmt: skip
def test_what_is_no_path_is_said_in_one_sentence(text, sentence):
    with pytest.raises(ManifestError) as refusal:
        read_path(text)
    assert sentence in str(refusal.value)
    assert "\n" not in str(refusal.value)


@given(st.text("flutecopian ,.-0123456789\u00e9\u0661", max_size=60))
def test_any_text_is_a_path_or_a_sentence(text):
    try:
        path = read_path(text)
    except ManifestError:
        return
    if path is not None:
        assert all(np.isfinite(path.at(second)[2:]).all() for second in (0, 0.5, 100))
