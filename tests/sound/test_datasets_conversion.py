"""Recordings become renders whose labels lie, to the sample, where the data set says, in pieces that training can hear."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from models.sound.datasets import Recording, dataset_render, write_recordings
from models.sound.datasets.conversion import PIECE_SECONDS, SHORTEST_SECONDS, cut, read_audio
from models.sound.performance import Performance
from models.sound.renders import SAMPLE_RATE, load_render

NOTES = [(0.25, 1.0, 60, 80), (59.5, 61.25, 64, 64), (60.5, 62.0, 67, 100), (71.0, 71.5, 69, 50)]
PEDAL = [(0.5, 0.75), (59.0, 61.0)]
BEND = [(58.0, 0.0), (62.0, 1.0), (70.0, 0.0)]


@pytest.fixture
def recorded(tmp_path: Path) -> Callable[..., Recording]:
    """A function (seconds, rate, channels) -> a recording of noise whose samples are 0 but for clicks at the onsets."""

    def make(seconds: float = 72.5, rate: int = 44100, channels: int = 2, name: str = "a piece") -> Recording:
        audio = np.zeros((round(seconds * rate), channels), np.float32)
        onsets = [row[0] for row in NOTES if row[0] < seconds]
        for onset in onsets:
            audio[round(onset * rate)] = 0.5
        path = tmp_path / "audio" / f"{name}.flac"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, audio, rate)
        performance = Performance(np.array(NOTES[: len(onsets)]), np.array(PEDAL), np.array(BEND))
        return Recording("set", name, name, "train", "guitar", path, lambda: performance)

    return make


@pytest.mark.parametrize("rate", [8000, 16000, 22050, 44100, 48000])
@pytest.mark.parametrize("channels", [1, 2, 6])
def test_a_click_stays_at_its_note(recorded, rate, channels):
    render = dataset_render(recorded(12.7, rate, channels))
    assert len(render.audio) == round(12.7 * SAMPLE_RATE)
    assert render.audio.dtype == np.int16
    assert int(np.argmax(np.abs(render.audio.astype(int)))) == render.notes[0, 0] == 0.25 * SAMPLE_RATE
    assert render.notes.tolist() == [[4000, 16000, 60, 80]]


def test_a_render_of_a_recording_has_the_arrays_of_any_render(recorded):
    render = dataset_render(recorded())
    assert (render.notes.dtype, render.pedal.dtype, render.bend.dtype) == (np.int32, np.int32, np.float32)
    assert render.notes.tolist() == [[round(a * 16000), round(b * 16000), c, d] for a, b, c, d in NOTES]
    assert render.pedal.tolist() == [[round(a * 16000), round(b * 16000)] for a, b in PEDAL]
    assert render.bend.tolist() == [[a * 16000, b] for a, b in BEND]
    assert render.group == "guitar"


def test_channels_are_mixed_to_their_mean_and_the_level_stays(tmp_path):
    time = np.arange(16000) / 16000
    left = 0.8 * np.sin(2 * np.pi * 440 * time)
    soundfile.write(tmp_path / "a.wav", np.stack([left, np.zeros(16000)], 1), 16000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav", 16000) - 0.4 * 32767 * np.sin(2 * np.pi * 440 * time)).max() < 1


def test_what_is_resampled_block_by_block_is_what_is_resampled_at_once(tmp_path):
    import soxr

    noise = np.random.default_rng(1).uniform(-0.5, 0.5, round(23.4 * 44100)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", noise, 44100, subtype="FLOAT")
    whole = soxr.resample(noise, 44100, 16000) * 32767
    read = read_audio(tmp_path / "a.wav", 16000)
    assert len(read) == len(whole)
    assert np.abs(read - whole).max() <= 1  # rounding


def test_louder_than_full_scale_is_clipped_and_does_not_wrap(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.full(16000, 1.5, np.float32), 16000, subtype="FLOAT")
    assert set(read_audio(tmp_path / "a.wav", 16000)) == {32767}


def test_a_recording_is_written_in_pieces_that_together_are_the_whole(recorded, tmp_path):
    recording = recorded()
    paths = write_recordings([recording], tmp_path / "out")
    assert [path.name for path in paths] == ["render_set_a-piece_0.npz", "render_set_a-piece_1.npz"]
    assert sorted((tmp_path / "out").glob("render_*.npz")) == paths
    assert len(list((tmp_path / "out").iterdir())) == 2, "something half written was left"
    first, second = (load_render(path) for path in paths)
    assert len(first.audio) == PIECE_SECONDS * SAMPLE_RATE
    assert np.array_equal(np.concatenate([first.audio, second.audio]), dataset_render(recording).audio)
    assert (first.group, second.group) == ("guitar", "guitar")


def test_what_sounds_across_a_cut_is_in_both_pieces_at_its_own_time(recorded, tmp_path):
    first, second = (load_render(path) for path in write_recordings([recorded()], tmp_path / "out"))
    assert first.notes[:, :3].tolist() == [[4000, 16000, 60], [952000, 980000, 64]]
    assert second.notes[:, :3].tolist() == [[-8000, 20000, 64], [8000, 32000, 67], [176000, 184000, 69]]
    assert first.pedal.tolist() == [[8000, 12000], [944000, 976000]]
    assert second.pedal.tolist() == [[-16000, 16000]]


def test_a_bend_goes_on_across_a_cut(recorded, tmp_path):
    pieces = [load_render(path) for path in write_recordings([recorded()], tmp_path / "out")]
    for seconds in np.arange(0.5, 72.5):
        number = int(seconds // PIECE_SECONDS)
        inside = np.interp((seconds - number * PIECE_SECONDS) * SAMPLE_RATE, *pieces[number].bend.T)
        assert inside == pytest.approx(np.interp(seconds, *np.array(BEND).T), abs=1e-6)


def test_no_piece_is_shorter_than_what_training_hears_at_once(recorded, tmp_path):
    lengths = {}
    for seconds in (0.5, 9.9, 30.0, 69.0, 70.0, 70.5, 130.25):
        paths = write_recordings([recorded(seconds, 8000, 1, f"{seconds}")], tmp_path / "out")
        lengths[seconds] = [len(load_render(path).audio) / SAMPLE_RATE for path in paths]
    assert lengths == {
        0.5: [SHORTEST_SECONDS], 9.9: [SHORTEST_SECONDS], 30.0: [30], 69.0: [69], 70.0: [70], 70.5: [60, 10.5],
        130.25: [60, 60, 10.25],
    }  # fmt: skip


def test_silence_follows_what_is_too_short(recorded):
    recording = recorded(0.5)
    piece = cut(dataset_render(recording), 0, last=True)
    assert not piece.audio[SAMPLE_RATE // 2 :].any()
    assert piece.notes[:, 0].tolist() == [4000]


def test_what_is_there_is_kept_and_what_is_missing_is_written_again_the_same(recorded, tmp_path):
    recordings = [recorded(), recorded(12.0, name="other")]
    paths = write_recordings(recordings, tmp_path / "out")
    before = {path: (path.stat().st_mtime_ns, load_render(path)) for path in paths}
    paths[1].unlink()
    assert write_recordings(recordings, tmp_path / "out") == [paths[1]]
    assert np.array_equal(load_render(paths[1]).audio, before[paths[1]][1].audio)
    for path in (paths[0], paths[2]):
        assert path.stat().st_mtime_ns == before[path][0]
    assert write_recordings(recordings, tmp_path / "out") == []


def test_a_finished_recording_is_not_read_again(recorded, tmp_path):
    recording = recorded()
    write_recordings([recording], tmp_path / "out")
    unread = replace(recording, reads=lambda: pytest.fail("read again"))
    assert write_recordings([unread], tmp_path / "out") == []


def test_one_split_is_written_and_what_has_no_audio_is_not(recorded, tmp_path):
    train, test = recorded(12.0, name="one"), replace(recorded(12.0, name="two"), split="test")
    silent = replace(train, name="three", audio=None)
    assert [path.name for path in write_recordings([train, test, silent], tmp_path / "a")] == ["render_set_one_0.npz"]
    assert [path.name for path in write_recordings([train, test], tmp_path / "b", "test")] == ["render_set_two_0.npz"]
    with pytest.raises(ValueError, match="no recording of the split 'validation' has audio: there is nothing to write"):
        write_recordings([train, test, silent], tmp_path / "c", "validation")
    with pytest.raises(ValueError, match="recording three of set has no audio"):
        dataset_render(silent)


@pytest.mark.parametrize("broken", [False, True], ids=["missing", "broken"])
def test_audio_that_cannot_be_read_is_named_and_what_was_written_stays(recorded, tmp_path, broken):
    good, bad = recorded(12.0, name="good"), recorded(12.0, name="worse")
    bad.audio.unlink()
    if broken:
        bad.audio.write_bytes(b"no audio")
    for make in (lambda: write_recordings([good, bad], tmp_path / "out"), lambda: dataset_render(bad)):
        with pytest.raises(ValueError if broken else FileNotFoundError, match=str(bad.audio)):
            make()
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["render_set_good_0.npz"]
