"""The words of `backline live --input` and --output, and which device or port they mean."""

from pathlib import Path

import pytest

from server.audio.portaudio_clock import DeviceClock, LostInput
from server.audio.portaudio_devices import Device, find_device
from server.cli import main
from server.errors import BacklineError
from server.live_routes import TAKE, Routes, read_routes

MS = 1_000_000


@pytest.mark.parametrize(
    ("inputs", "outputs", "routes"),
    [
        ([], [], Routes(file=TAKE)),
        (["take"], ["notes.mid"], Routes(file=TAKE, clip=Path("notes.mid"))),
        (["song.ogg"], ["midi:Synth", "notes.MID"], Routes(file=Path("song.ogg"), midi_out="midi:Synth", clip=Path("notes.MID"))),
        (["sub/folder.xyz"], [], Routes(file=Path("sub/folder.xyz"))),
        (["jack"], [], Routes(jack=True)),
        (["jack"], ["jack"], Routes(jack=True)),
        (["2"], ["midi"], Routes(audio_in="2", midi_out="midi")),
        (["USB Audio"], ["USB Audio", "virtual:Notes"], Routes(audio_in="USB Audio", audio_out="USB Audio", midi_out="virtual:Notes")),
        (["midi:Keys", "default"], [], Routes(audio_in="default", midi_in="midi:Keys")),
        (["midi:Keys"], ["default"], Routes(audio_out="default", midi_in="midi:Keys")),
    ],
)  # fmt: skip
def test_the_words_mean(inputs: list[str], outputs: list[str], routes: Routes) -> None:
    assert read_routes(inputs, outputs) == routes


@pytest.mark.parametrize(
    ("inputs", "outputs", "sentence"),
    [
        (["jack"], ["a.mid"], "with --input jack, notes go to the JACK port midi_out"),
        (["take"], ["jack"], "with --input jack, notes go to the JACK port midi_out"),
        (
            ["take"],
            ["notes.txt"],
            "--output is 'notes.txt'; a file's notes go to a .mid file, or to a MIDI port: midi:NAME",
        ),
        (["take", "midi:Keys"], [], "--input is 'take' and 'midi:Keys'; MIDI comes in beside a device only"),
        (["midi:Keys"], ["midi:Synth"], "--input is 'midi:Keys'; MIDI alone keeps no time"),
        (["1", "2"], [], "--input is '1' and '2'; one of a kind is heard or played to"),
        (["1"], ["midi:A", "virtual:B"], "--output is 'midi:A' and 'virtual:B'; one of a kind"),
    ],
)
def test_words_that_do_not_go_together_are_named(inputs: list[str], outputs: list[str], sentence: str) -> None:
    with pytest.raises(BacklineError, match=sentence):
        read_routes(inputs, outputs)


def test_a_file_may_be_called_as_one_likes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "song").touch()
    monkeypatch.chdir(tmp_path)
    assert read_routes(["song"], []) == Routes(file=Path("song"))


DEVICES = [
    Device(0, "Built-in", "ALSA", 2, 2, 48_000, 0.01, 0.01, is_default_in=True),
    Device(1, "USB One", "ALSA", 2, 0, 44_100, 0.01, 0.0),
    Device(2, "USB Two", "ALSA", 0, 2, 48_000, 0.0, 0.01, is_default_out=True),
    Device(3, "Built-in", "JACK", 2, 2, 48_000, 0.01, 0.01),
]


@pytest.mark.parametrize(
    ("word", "kind", "number"),
    [("default", "input", 0), ("default", "output", 2), ("1", "input", 1), ("usb", "input", 1), ("USB", "output", 2),
     ("Built-in (JACK)", "output", 3), ("built-in (a", "input", 0)],
)  # fmt: skip
def test_a_device_is_found_among_those_that_can(word: str, kind: str, number: int) -> None:
    assert find_device(word, DEVICES, kind).number == number


@pytest.mark.parametrize(
    ("word", "kind", "sentence"),
    [
        (
            "2",
            "input",
            "there is no audio input '2'; there are: 0 'Built-in .ALSA.', 1 'USB One .ALSA.', 3 'Built-in .JACK.'",
        ),
        ("Built-in", "output", "2 audio outputs are called 'Built-in'; there are: 0 "),
    ],
)
def test_a_device_that_is_not_there_or_twice_is_named_with_those_that_are(word: str, kind: str, sentence: str) -> None:
    with pytest.raises(BacklineError, match=sentence):
        find_device(word, DEVICES, kind)


def test_a_sample_is_where_the_earliest_callback_says_and_a_late_one_moves_nothing() -> None:
    clock = DeviceClock(48_000)
    for number in range(400):
        late = 3 * MS if number % 3 else 0
        clock.heard(number * 48, 1000 * MS + number * MS + late)
    assert clock.time_of(48_000) == 2000 * MS
    assert clock.sample_at(1100 * MS) == 4800


def test_a_device_that_stood_still_without_a_word_is_followed() -> None:
    clock = DeviceClock(48_000)
    for number in range(1000):
        stood = 500 * MS if number >= 400 else 0
        clock.heard(number * 48, 1000 * MS + number * MS + stood)
    assert clock.time_of(48_000) == 2500 * MS


def test_lost_input_is_counted_by_the_clock_and_only_where_the_device_says_so() -> None:
    lost = LostInput(48_000)
    assert lost.advance(48, True, 0) == 0
    assert lost.advance(48, False, 9 * MS) == 48, "late is not lost"
    assert lost.advance(48, True, 20 * MS) == 96 + 10 * 48
    assert lost.advance(48, False, 21 * MS) == 96 + 11 * 48


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--input", "default", "--pace", "free"], "--pace is 'free'; a device plays in real time"),
        (["--rate", "48000"], "--rate and --channel are for audio devices"),
        (["--channel", "2", "--input", "jack"], "--rate and --channel are for audio devices"),
        (["--output", "midi", "--pace", "free"], "--pace is 'free'; to a MIDI port notes go in real time"),
    ],
)
def test_an_option_that_would_do_nothing_is_refused(
    words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["live", "probe", *words]) == 2
    assert sentence in capsys.readouterr().err
