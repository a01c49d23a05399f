"""An audio file whose header or data was cut or changed is audio or one sentence, and takes no more memory than it may."""

import io

import numpy as np
import soundfile
from hypothesis import strategies as st

from server.audio.file import HIGHEST_RATE, LOWEST_RATE, read_audio
from server.errors import BacklineError

KINDS = {"wav": "PCM_16", "flac": "PCM_24", "ogg": "VORBIS", "aiff": "FLOAT", "mp3": None}


def files() -> dict[str, bytes]:
    """Return a short file of each kind."""
    made = {}
    for kind, subtype in KINDS.items():
        data = io.BytesIO()
        samples = np.sin(np.arange(3000) / 20)[:, None] * [0.5, 0.4]
        soundfile.write(data, samples, 22_050, format=kind, subtype=subtype)
        made[kind] = data.getvalue()
    return made


def test_any_file_is_audio_or_one_sentence(fuzz, spoiled, one_sentence, memory, tmp_path):
    whole = files()
    for kind, data in whole.items():
        (tmp_path / f"take.{kind}").write_bytes(data)
        assert read_audio(tmp_path / f"take.{kind}")[1] == 22_050
        (tmp_path / f"take.{kind}").unlink()

    def check(kind: str, data: bytes) -> None:
        path = tmp_path / f"take.{kind}"
        path.write_bytes(data)
        try:
            samples, rate = read_audio(path)
        except BacklineError as error:
            one_sentence(error)
        else:
            assert samples.dtype == np.float32
            assert samples.shape[0] == 1
            assert samples.shape[1] > 0
            assert samples.flags.c_contiguous
            assert LOWEST_RATE <= rate <= HIGHEST_RATE
        path.unlink()
        assert list(tmp_path.iterdir()) == []

    for kind, data in whole.items():
        other = st.sampled_from(sorted(whole))  # a name that lies about what is in it
        fuzz(check, st.just(kind) | other, spoiled(st.just(data)), examples=30)


def test_a_header_that_promises_years_takes_no_memory(one_sentence, memory, tmp_path):
    data = bytearray(files()["wav"])
    data[data.index(b"data") + 4 : data.index(b"data") + 8] = b"\xf0\xff\xff\xff"
    data[4:8] = b"\xff\xff\xff\xff"
    (tmp_path / "long.wav").write_bytes(data)
    try:
        samples, _ = read_audio(tmp_path / "long.wav")
    except BacklineError as error:
        one_sentence(error)
    else:
        assert samples.shape[1] == 3000
