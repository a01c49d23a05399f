"""Sound becomes a picture and comes back; a network's picture of a whole song is drawn in windows."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from models.drummer.published.config import PUBLISHED, SMALL
from models.drummer.published.corrections import Corrections
from models.drummer.published.inversion import METHODS, linear_power, sound
from models.drummer.published.mel import bank, from_codes, mel_power, picture, power, to_codes
from models.drummer.published.network import Generator, LiveGenerator, save_network
from models.drummer.published.synthesis import draw, draw_bars, main, read_bar_lines, render

RATE = PUBLISHED.sample_rate


def test_the_front_end_is_the_papers():
    assert (PUBLISHED.sample_rate, PUBLISHED.n_fft, PUBLISHED.hop, PUBLISHED.bands) == (22050, 2048, 512, 256)
    assert (PUBLISHED.frames, PUBLISHED.overlap, PUBLISHED.eight_bit) == (256, 50, True)
    assert PUBLISHED.frames / PUBLISHED.frame_rate == pytest.approx(5.944, abs=1e-3)
    for config in (PUBLISHED, SMALL):
        weights = bank(config)
        assert weights.shape == (config.bands, 1025)
        assert (weights.max(1) > 0).all(), "no band is empty"
        centres = 2595 * np.log10(1 + np.arange(1025) * RATE / 2048 / 700)[weights.argmax(1)]
        wanted = 2595 * np.log10(1 + RATE / 2 / 700) * np.arange(1, config.bands + 1) / (config.bands + 1)
        assert np.abs(centres - wanted).max() < 15  # mel: a bin of 10.8 Hz


def test_a_tone_is_white_in_its_band_as_bright_as_it_is_loud():
    time = np.arange(RATE) / RATE
    for amplitude in (1.0, 0.01):
        grey = picture((amplitude * np.sin(2 * np.pi * 1000 * time)).astype(np.float32), PUBLISHED)
        assert grey.shape == (256, 1 + RATE // 512)
        assert grey.dtype == np.float32
        band = round(2595 * np.log10(1 + 1000 / 700) / (2595 * np.log10(1 + RATE / 2 / 700)) * 257) - 1
        assert abs(int(grey[:, 20].argmax()) - band) <= 1
        decibels = -40 + (grey[:, 20].max() + 1) / 2 * 90
        assert decibels == pytest.approx(min(50, 20 * np.log10(amplitude * 512)), abs=3)  # 512: half the window's sum


def test_256_levels_are_0_2_db_from_what_they_stand_for_and_black_is_silence():
    grey = np.linspace(-1, 1, 1001)
    assert set(np.unique(to_codes(grey))) == set(range(256))
    assert np.abs(from_codes(to_codes(grey)) - grey).max() * 45 < 0.2
    noise = np.random.default_rng(0).normal(0, 0.05, RATE).astype(np.float32)
    exact = mel_power(noise, PUBLISHED)
    for eight_bit, error in ((True, 0.19), (False, 0.01)):
        config = replace(PUBLISHED, eight_bit=eight_bit)
        heard = power(picture(noise, config), config)[exact > 1e-3] / exact[exact > 1e-3]
        assert np.abs(10 * np.log10(heard)).max() < error
    assert not power(picture(np.zeros(RATE, np.float32), PUBLISHED), PUBLISHED).any()


@pytest.mark.parametrize("samples", [0, 1, 1000, 1025])
def test_what_is_shorter_than_a_window_has_a_picture(samples):
    assert picture(np.zeros(samples, np.float32), PUBLISHED).shape == (256, 1 + samples // 512)


def test_linear_power_has_the_bands_it_was_asked_for(drums):
    mel = mel_power(drums(2.0, RATE), PUBLISHED)
    found = linear_power(mel, PUBLISHED)
    assert found.shape == (1025, mel.shape[1])
    assert found.min() >= 0
    assert np.linalg.norm(bank(PUBLISHED) @ found - mel) < 0.02 * np.linalg.norm(mel)
    assert not linear_power(np.zeros((256, 3), np.float32), PUBLISHED).any()


@pytest.mark.parametrize(("method", "decibels"), [("griffin_lim", 2.0), ("rtisi", 6.0), ("peaks", 6.0)])
def test_drums_come_back_from_their_picture_where_they_were(method, decibels, drums):
    assert method in METHODS
    audio = drums(1.3, RATE)
    grey = picture(audio, PUBLISHED)
    back = sound(grey, PUBLISHED, len(audio), method=method, iterations=10)
    assert back.shape == audio.shape
    assert back.dtype == np.float32
    assert np.abs(back).max() <= 1
    audible = grey > 0
    assert np.abs(picture(back, PUBLISHED) - grey)[audible].mean() * 45 < decibels
    level = [np.convolve(one**2, np.ones(512), "same")[::64] for one in (audio, back)]
    level = [one - one.mean() for one in level]
    delay = int(np.correlate(*level, mode="full").argmax()) - (len(level[0]) - 1)
    assert abs(delay) * 64 <= 256  # samples: 12 ms, half a hop


def test_an_unknown_method_is_refused_and_silence_is_silence():
    with pytest.raises(ValueError, match="the method is vocoder; allowed: griffin_lim, peaks, rtisi"):
        sound(np.zeros((256, 4)), PUBLISHED, method="vocoder")
    assert not sound(np.full((256, 9), -1.0), PUBLISHED, 4000).any()


class Negative(Generator):
    """Draws every crop as its negative."""

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return -given


@pytest.mark.parametrize("frames", [1, 31, 32, 33, 80, 127])
@pytest.mark.parametrize("windowed", [True, False])
def test_a_picture_of_any_length_is_drawn_without_a_seam(frames, windowed, tiny):
    network = Negative(tiny, replace(Corrections.all(), windowed=windowed))
    grey = np.random.default_rng(0).uniform(-1, 1, (32, frames)).astype(np.float32)
    np.testing.assert_allclose(draw(network, grey), -grey, atol=1e-6)


def test_a_rendering_is_as_long_as_the_bass_at_any_rate(tiny, bass):
    torch.manual_seed(0)
    network = Generator(tiny, Corrections.all())
    for rate, seconds in ((8000, 1.5), (44100, 0.7), (48000, 0.01)):
        audio = bass(seconds, rate)
        made = render(network, audio, rate, iterations=2)
        assert made.shape == (round(len(audio) * 8000 / rate),)
        assert np.isfinite(made).all()
    assert render(network, np.zeros(0, np.float32), 44100).shape == (0,)


def test_bars_are_drawn_without_a_seam_and_equal_bars_equally(tiny):
    """A crop of the tiny size has 32 frames, of which a bar may fill 24: one of 40 is halved."""
    ramp = np.linspace(-1, 1, 100, dtype=np.float32)[None].repeat(32, 0)
    np.testing.assert_allclose(draw_bars(Negative(tiny, Corrections.all()), ramp, [10, 30, 70, 200]), -ramp, atol=1e-6)
    torch.manual_seed(0)
    network = Generator(tiny, Corrections.all()).eval()
    bar = np.random.default_rng(0).uniform(-1, 1, (32, 20)).astype(np.float32)
    drawn = draw_bars(network, np.tile(bar, 6), range(20, 120, 20))
    np.testing.assert_allclose(drawn[:, 44:56], drawn[:, 64:76], atol=1e-5)
    assert np.abs(draw(network, np.tile(bar, 6))[:, 44:56] - draw(network, np.tile(bar, 6))[:, 64:76]).max() > 1e-3


def test_the_live_variant_is_silent_until_it_has_heard_something(tiny):
    torch.manual_seed(0)
    grey = np.random.default_rng(0).uniform(-1, 1, (32, 90)).astype(np.float32)
    network = LiveGenerator(tiny, Corrections.all())
    drawn = draw(network, grey)
    assert drawn.shape == grey.shape
    assert (drawn[:, : tiny.ahead] == -1).all()
    with torch.no_grad():
        said = network(torch.from_numpy(grey[None, None, :, :64]))[0, 0].numpy()
    np.testing.assert_allclose(drawn[:, tiny.ahead : tiny.ahead + 64], said, atol=1e-5)
    assert draw(network, grey[:, :5]).shape == (32, 5)


def test_the_command_writes_a_song_as_long_as_the_voice(tiny, bass, tmp_path: Path):
    torch.manual_seed(0)
    save_network(Generator(tiny, Corrections.all()), tmp_path / "net.safetensors", {"task": "voice2song"})
    soundfile.write(tmp_path / "voice.wav", bass(3.0, 44100), 44100)
    (tmp_path / "voice.beats").write_text("".join(f"{0.5 * beat} {beat % 4 + 1}\n" for beat in range(6)))
    assert read_bar_lines(tmp_path / "voice.beats") == [0.0, 2.0]
    words = [str(tmp_path / "net.safetensors"), str(tmp_path / "voice.wav"), "-o", str(tmp_path / "song.wav")]
    for more in ([], ["--beats", str(tmp_path / "voice.beats"), "--with-input"]):
        main([*words, *more])
        assert soundfile.info(str(tmp_path / "song.wav")).frames == pytest.approx(3 * 44100, abs=6)
    (tmp_path / "voice.beats").write_text("0.5 two\n")
    with pytest.raises(SystemExit, match=r"voice\.beats is no beats file"):
        main([*words, "--beats", str(tmp_path / "voice.beats")])
    (tmp_path / "voice.beats").write_text("0.5 2\n")
    with pytest.raises(SystemExit, match="holds no beat that begins a bar"):
        main([*words, "--beats", str(tmp_path / "voice.beats")])
