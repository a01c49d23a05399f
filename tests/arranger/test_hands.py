"""Two hands: which of the keys that are wished for they can strike, and what they let go for it."""

from hypothesis import given
from hypothesis import strategies as st

from models.arranger.hands import FINGERS, LEFT, RIGHT, TENTH, Hands, Key, in_one_hand, splits

SECONDS = 0.125  # a step at 120 bpm


def key(pitch, weight=1.0, begin=0.0, length=4.0, held=0.5):
    return Key(begin, begin + length, pitch, weight, held)


def pitches(keys, hand=None):
    return [key.pitch for key in keys if hand in (None, key.hand)]


def test_a_chord_is_shared_between_the_hands():
    struck = Hands().strike(0, [key(pitch) for pitch in (36, 48, 60, 64, 67)], SECONDS)
    assert pitches(struck, LEFT) == [36, 48]
    assert pitches(struck, RIGHT) == [60, 64, 67]


def test_of_too_many_keys_the_lightest_are_left_out():
    struck = Hands().strike(0, [key(60 + n, weight=n % 7) for n in range(14)], SECONDS)
    assert len(struck) == 2 * FINGERS
    assert not {60, 67, 61, 68} & set(pitches(struck))


def test_of_keys_too_far_apart_the_lightest_is_left_out():
    assert pitches(Hands().strike(0, [key(30, 3), key(60, 1), key(90, 2)], SECONDS)) == [30, 90]
    assert pitches(Hands().strike(0, [key(30, 3), key(46, 1), key(90, 2)], SECONDS)) == [30, 46, 90]


def test_a_held_key_is_let_go_for_one_that_weighs_more_and_kept_before_one_that_weighs_less():
    hands = Hands()
    low, top = key(30, length=16), key(84, length=16, held=3.0)
    hands.strike(0, [low, top], SECONDS)
    assert pitches(hands.strike(4, [key(60, begin=4)], SECONDS)) == [60]
    assert (low.end, top.end) == (4, 16)
    assert pitches(hands.strike(6, [key(96, begin=6), key(64, 0.4, begin=6)], SECONDS)) == [64, 96]
    assert pitches(hands.strike(7, [key(28, begin=7), key(45, 1.1, begin=7), key(108, 1.2, begin=7)], SECONDS)) == [45]
    assert top.end == 16


def test_a_key_that_is_struck_again_is_let_go_first():
    hands = Hands()
    first = key(60, length=8)
    hands.strike(0, [first], SECONDS)
    (second,) = hands.strike(4, [key(60, begin=4)], SECONDS)
    assert (first.end, second.begin, pitches(hands.held)) == (4, 4, [60])


def test_a_key_is_not_struck_again_before_it_can_be():
    hands = Hands()
    hands.strike(15, [key(60, begin=15)], 0.07)
    hands.turn(16, 0.07)
    assert hands.strike(0, [key(60)], 0.07) == []
    assert pitches(hands.strike(1, [key(60, begin=1)], 0.07)) == [60]


def test_what_is_held_goes_on_into_the_next_bar():
    hands = Hands()
    hands.strike(12, [key(48, begin=12, length=8), key(72, begin=12, length=4)], SECONDS)
    hands.turn(16, SECONDS)
    assert [(key.begin, key.end, key.pitch) for key in hands.held] == [(-4, 4, 48)]


wishes = st.lists(
    st.tuples(st.integers(21, 108), st.floats(0, 6), st.integers(1, 16), st.floats(-1, 3)),
    max_size=14,
    unique_by=lambda w: w[0],
)


@given(st.lists(wishes, max_size=24))
def test_two_hands_hold_whatever_is_held_and_the_heaviest_key_is_always_struck(steps):
    hands = Hands()
    for step, wished in enumerate(steps):
        keys = [key(pitch, weight, step, length, held) for pitch, weight, length, held in wished]
        struck = hands.strike(step, keys, SECONDS)
        if keys and max(k.weight for k in keys) > max((k.held_weight for k in hands.held), default=0):
            assert max(keys, key=lambda k: (k.weight, -k.pitch)).weight in {k.weight for k in struck}
        held = {hand: sorted(pitches(hands.held, hand)) for hand in (LEFT, RIGHT)}
        assert all(len(row) <= FINGERS and (not row or row[-1] - row[0] <= TENTH) for row in held.values())
        assert not held[LEFT] or not held[RIGHT] or held[LEFT][-1] < held[RIGHT][0]
        assert len({k.pitch for k in hands.held}) == len(hands.held)
        assert set(struck) <= set(hands.held)


@given(wishes)
def test_there_is_a_split_where_any_can_be_found_by_trying_all(wished):
    ordered = sorted(key(*wish[:2]).pitch for wish in wished)
    tried = [n for n in range(len(ordered) + 1) if in_one_hand(ordered[:n]) and in_one_hand(ordered[n:])]
    assert splits([key(pitch) for pitch in ordered]) == tried
