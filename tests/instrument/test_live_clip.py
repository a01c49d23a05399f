"""A MIDI file through `backline live`: over the real wire to an audio file, in real time or as fast as the engine answers."""

import mido
import numpy as np
import pytest
import soundfile


@pytest.fixture(scope="session")
def clip(tmp_path_factory):
    """Three notes at 120 bpm, on beats 0.5, 1 and 1.75: seconds 0.25, 0.5 and 0.875."""
    track = mido.MidiTrack()
    for wait, pitch in ((240, 60), (0, 62), (120, 64)):
        track += [
            mido.Message("note_on", note=pitch, velocity=90, time=wait),
            mido.Message("note_off", note=pitch, time=240),
        ]
    path = tmp_path_factory.mktemp("clip") / "clip.mid"
    mido.MidiFile(tracks=[track]).save(path)
    return path


def impulses(path) -> list[int]:
    audio, rate = soundfile.read(path)
    assert rate == 48_000
    loud = np.flatnonzero(np.abs(audio) > 0.5)
    return [int(place) for place in loud]


@pytest.mark.parametrize("pace", ["free", "realtime"])
def test_a_clip_is_played_over_the_wire_onto_its_places(command_line, chime_folder, clip, tmp_path, pace):
    said = command_line(
        "live", "chime", "--models", chime_folder, "--input", clip, "--output", tmp_path / "out.wav", "--pace", pace
    )
    assert (said.returncode, said.stderr) == (0, ""), said
    assert impulses(tmp_path / "out.wav") == [12_000, 24_000, 42_000]
    assert str(tmp_path / "out.wav") in said.stdout.replace("\n", "")
    run = command_line("run", "chime", "--models", chime_folder, clip, "-o", tmp_path / "run.wav")
    assert run.returncode == 0, run
    assert (tmp_path / "run.wav").read_bytes() == (tmp_path / "out.wav").read_bytes(), "freewheel and real time differ"


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["chime", "--input", "take"], "model 'chime' takes MIDI, and the take is audio"),
        (["transcriber", "--input", "CLIP"], "model 'transcriber' takes audio, and CLIP is MIDI"),
        (["transcriber", "--output", "OUT/a.wav"], "model 'transcriber' gives notes, so it cannot write OUT/a.wav"),
        (["chime", "--input", "CLIP", "--track", "9"], "CLIP has no track '9' with notes; there are: 1"),
        (
            ["chime", "--input", "CLIP", "--output", "1", "--output", "OUT/a.mid"],
            "played to a device goes to nothing else",
        ),
        (["chime", "--input", "1", "--output", "OUT/a.wav"], "what is played on a device is not written to a file"),
        (["chime", "--track", "1"], "--track is for MIDI files"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_said(chime_folder, clip, tmp_path, capsys, words, sentence):
    from server.cli import main

    replaced = [word.replace("CLIP", str(clip)).replace("OUT", str(tmp_path)) for word in words]
    assert main(["live", replaced[0], "--models", str(chime_folder), *replaced[1:]]) == 2
    assert sentence.replace("CLIP", str(clip)).replace("OUT", str(tmp_path)) in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
