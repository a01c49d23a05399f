"""A beats file of any bytes is beats or one sentence, and beats have a tempo at every place."""

from itertools import pairwise

from hypothesis import strategies as st

from server.beats_file import read_beats
from server.errors import BacklineError
from server.midi.file import TICKS_PER_BEAT

NUMBERS = st.sampled_from(
    ["1", "2", "4", "32", "33", "0", "-1", "1.0", "1.5", "nan", "inf", "1e9", "x", "", "\u0661", "1_0"]
)
SECONDS = st.floats(0, 1000).map(str) | st.sampled_from(["nan", "-1", "inf", "1e308", "1e-320", "0x1", "0", "5,5"])


@st.composite
def rows(draw: st.DrawFn) -> bytes:
    """Lines that rise as beats do, but for some."""
    place, lines = 0.0, []
    for _ in range(draw(st.integers(0, 20))):
        place += draw(
            st.sampled_from([0.5, 0.06, 0.4, 60.0, 0.059, 61.0]) if draw(st.integers(0, 9)) == 0 else st.just(0.5)
        )
        number = draw(NUMBERS) if draw(st.integers(0, 19)) == 0 else str(draw(st.integers(1, 32)))
        time = draw(SECONDS) if draw(st.integers(0, 19)) == 0 else f"{place:.3f}"
        lines.append(f"{time}\t{number}")
    return draw(st.sampled_from(["\n", "\r\n", "\n\n", "\x0b"])).join(lines).encode()


def test_any_file_is_beats_or_one_sentence(fuzz, spoiled, one_sentence, tmp_path):
    path = tmp_path / "song.beats"

    def check(data: bytes) -> None:
        path.write_bytes(data)
        try:
            beats = read_beats(path)
        except BacklineError as error:
            one_sentence(error)
            return
        told = beats.transports(48_000)
        assert all(early.sample < late.sample for early, late in pairwise(told))
        assert all(0 < transport.tempo_bpm <= 1001 for transport in told if transport.playing)
        ticks = [beats.tempo_map(TICKS_PER_BEAT).tick(seconds) for seconds in beats.seconds]
        assert all(early < late for early, late in pairwise(ticks))

    fuzz(check, spoiled(rows()) | st.binary(max_size=300), examples=120)
