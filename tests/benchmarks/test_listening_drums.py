"""The drummer's listening page: every drummer with the bass, blind, its own drums among them, and what is missing said."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from benchmarks.listening_drums import LINE_BARS, line, main, plain_beat
from models.drummer.sampled import SampledKit


def told(output: Path) -> dict:
    page = (output / "index.html").read_text()
    return json.loads(page.partition('type="application/json">')[2].partition("</script>")[0])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A song with a bass, its beats and its own drums, and beats without a bass."""
    song, folder = line(), tmp_path / "data"
    for part in ("audio", "drums"):
        (folder / part).mkdir(parents=True)
    soundfile.write(folder / "audio" / "tune.flac", song.bass[0][0], song.bass[1])
    soundfile.write(folder / "drums" / "tune.wav", plain_beat(song)[0][0], 48_000)
    rows = zip(song.beats.seconds, song.beats.numbers, strict=True)
    (folder / "tune.beats").write_text("".join(f"{seconds:.4f} {number}\n" for seconds, number in rows))
    (folder / "lost.beats").write_text("0 1\n1 2\n")
    return folder


def test_the_page_has_every_drummer_with_the_bass_and_says_what_it_lacks(data, tmp_path, capsys):
    output = tmp_path / "page"
    words = ["--data", str(data), "--phrase-seconds", "6", "--output", str(output)]
    assert main([*words, "--published", str(data / "none.safetensors")]) == 0
    page = told(output)
    assert [phrase["title"] for phrase in page["phrases"]] == ["tune"]
    names = [row["name"] for row in page["phrases"][0]["versions"]]
    assert names == ["The song's own", "Backline's drummer", "Backline's drummer, beats found", "A plain beat"]
    assert any("lost is not heard" in sentence for sentence in page["left_out"])
    assert any("The published network is not heard in tune" in sentence for sentence in page["left_out"])
    assert [ask[0] for ask in page["questions"]["asks"]] == ["quality", "contamination", "credibility", "time"]
    bass = line().bass[0][0]
    middle = (len(bass) / 48_000 - 6) / 2
    for row in page["phrases"][0]["versions"]:
        sound, rate = soundfile.read(output / row["audio"])
        assert len(sound) / rate == pytest.approx(6, abs=0.01)
        under = bass[round(middle * 48_000) :][: 6 * 48_000]
        likeness = np.corrcoef(under, sound[: len(under)])[0, 1]
        assert 0.3 < likeness < 0.99, "bass and drums"
    assert main([*words[:2], "--phrase-seconds", "0", "--output", str(output)]) == 2
    assert "--phrase-seconds is 0; allowed: 1 to 120" in capsys.readouterr().err


def test_the_plain_beat_is_struck_on_the_beats_to_the_end():
    song = line()
    sound, rate = plain_beat(song)
    kit = SampledKit(rate)
    kit.strike(0, 36, 100)
    kick = kit.mix(0, 2000)
    last = round(song.beats.seconds[LINE_BARS * 4 - 4] * rate)
    assert np.corrcoef(sound[0, last : last + 2000], kick)[0, 1] > 0.8
