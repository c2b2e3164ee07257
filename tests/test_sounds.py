"""Sounds: windows joined are the recording; a drawing shows its waveform; what is odd is said, or refused."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image

from resfields_ns.captures.clips.sound_files import SoundWindows, open_sound
from resfields_ns.commands import render
from resfields_ns.data.sound_data import SoundDataManagerConfig
from resfields_ns.dataparsers.sound_windows import SoundWindowsDataParserConfig
from resfields_ns.export.sounds import sound_of, true_sound
from resfields_ns.fields.value_field import ValueField, Waveform
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.waveforms import decibels, draw_waveform, energy, first_layer_scale, sample_positions
from resfields_ns.host.trained_run import load_trained_run
from resfields_ns.models.sound_model import SoundModel
from tests.family import Family
from tests.methods import METHODS, tiny_config, trained
from tests.sound_family import LENGTH, NUM_FRAMES, RATE, SOUND_FAMILY, WINDOW, chirp, write_chirp


def _write(path: Path, samples: np.ndarray, subtype: str = "FLOAT", rate: int = RATE) -> Path:
    soundfile.write(path, samples, rate, subtype=subtype)
    return path


@pytest.mark.parametrize("channels", [1, 2, 3])
@pytest.mark.parametrize("window", [2, 7, 100, 370, 5000])
def test_windows_joined_are_the_recording(window: int, channels: int, tmp_path: Path) -> None:
    samples = chirp(channels=channels)
    source = open_sound(_write(tmp_path / "a.wav", samples), window / RATE)
    windows = SoundWindows(source, list(range(len(source.lengths))))
    assert windows.amplitudes.shape == (-(-LENGTH // window), window, channels)
    assert windows.amplitudes.abs().max() == 1.0
    assert np.allclose(windows.peak * windows.joined(windows.amplitudes).numpy(), samples, atol=1e-7)
    assert not windows.amplitudes[~windows.sounding].any()


def test_a_bank_joined_is_its_clips(tmp_path: Path) -> None:
    lengths = (50, 30, 80)
    clips = [chirp(length) * (1.0 + index) / 3.0 for index, length in enumerate(lengths)]
    for index, clip in enumerate(clips):
        _write(tmp_path / f"{9 + index}.wav", clip)
    source = open_sound(tmp_path, 0.1)
    assert source.lengths == lengths and source.window == 80
    windows = SoundWindows(source, [0, 1, 2])
    assert np.allclose(windows.peak * windows.joined(windows.amplitudes).numpy(), np.concatenate(clips), atol=1e-7)


@pytest.mark.parametrize(
    ("subtype", "channels", "said"),
    [
        ("PCM_16", 1, ""),
        ("PCM_16", 2, "2 channels, each an amplitude of its own."),
        ("PCM_U8", 1, "8 bits a sample, whose rounding is learnt as part of the sound."),
        ("ULAW", 1, "8 bits a sample, whose rounding is learnt as part of the sound."),
    ],
)
def test_what_is_odd_is_said(
    subtype: str, channels: int, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = open_sound(_write(tmp_path / "a.wav", chirp(channels=channels), subtype), 0.1)
    assert np.allclose(SoundWindows(source, [0]).amplitudes.abs().max(), 1.0)
    assert capsys.readouterr().out.strip().endswith(said)


def _silent(path: Path) -> Path:
    return _write(path / "a.wav", np.zeros((10, 1)))


def _two_rates(path: Path) -> Path:
    _write(path / "a.wav", chirp(10))
    _write(path / "b.wav", chirp(10), rate=RATE + 1)
    return path


def _text(path: Path) -> Path:
    (path / "a.wav").write_text("a song")
    return path / "a.wav"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda path: _write(path / "a.wav", np.zeros((0, 1))), "a.wav: expected a sound of at least one sample, "),
        (_silent, "a.wav: expected a sound, found silence"),
        (lambda path: _write(path / "a.wav", np.full((9, 1), np.nan)), "a.wav: samples: expected finite numbers"),
        (lambda path: _write(path / "a.wav", np.zeros((9, 9))), "a.wav: expected 1 to 8 channels, found 9"),
        (_text, "a.wav: expected a sound .*, found a file that cannot be read"),
        (lambda path: path, "expected sounds .*, found none"),
        (_two_rates, "b.wav: expected 4000 samples a second in 2 channels, as a.wav has, found 4001 in 2"),
        (lambda path: path / "none.wav", "none.wav: expected a sound .*, found no such file"),
    ],
)
def test_what_is_no_sound_is_refused(write: Callable[[Path], Path], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        source = open_sound(write(tmp_path), 0.1)
        _ = SoundWindows(source, list(range(len(source.lengths)))).amplitudes


def test_a_window_has_two_samples_or_more(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="^--window: expected at least 2 samples at 4000 a second, got 0.0003 s"):
        open_sound(_write(tmp_path / "a.wav", chirp()), 3e-4)


class Sine(ValueField):
    """One known sine in every window."""

    def values(self, points: TimedPoints) -> torch.Tensor:
        return torch.sin(5.0 * points.positions)


def test_a_field_of_the_sound_has_no_error() -> None:
    positions = sample_positions(torch.arange(80), 80)[:, None]
    waveform = Waveform(channels=1, scale=2.0)
    found = waveform.amplitudes(Sine(waveform), TimedPoints.at(positions, 0.5))
    true = torch.sin(10.0 * positions)
    assert decibels(energy(true), energy(found - true)) > 120.0
    assert decibels(energy(true), energy(0.9 * true - true)) == pytest.approx(20.0, abs=1e-4)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_drawing_is_dark_between_zero_and_the_amplitude(channels: int) -> None:
    rows = (torch.arange(400) + 0.5) / 200.0 - 1.0
    amplitudes = torch.tensor([0.6, -0.4][:channels]).expand(400, channels)
    dark = draw_waveform(torch.stack((rows, torch.zeros(400)), dim=1), amplitudes)[:, 0] < 0.5
    for channel, amplitude in enumerate(amplitudes[0].tolist()):
        band = dark[400 * channel // channels : 400 * (channel + 1) // channels]
        heights = 1.0 - 2.0 * (torch.arange(len(band)) + 0.5) / len(band)
        assert torch.equal(band, (heights >= min(amplitude, 0.0) - 0.01) & (heights <= max(amplitude, 0.0) + 0.01))


def test_the_first_layer_reaches_the_frequency() -> None:
    """A weight of 1 / inputs makes as many turns over a window as the frequency does."""
    scale = first_layer_scale(440.0, seconds=0.25, num_inputs=2, omega=30.0)
    assert 30.0 * 0.5 * scale * 2.0 / (2.0 * np.pi) == pytest.approx(440.0 * 0.25)


def test_batches_hold_the_amplitudes_of_seen_samples(tiny_data: Callable[[Family], Path]) -> None:
    path = tiny_data(SOUND_FAMILY)
    dataparser = SoundWindowsDataParserConfig(data=path, window=WINDOW / RATE, held_out_samples=0.3)
    datamanager = SoundDataManagerConfig(dataparser=dataparser, data=path).setup(device="cpu")
    sound = datamanager.train_dataset.sound
    for (points, batch), held_out in ((datamanager.next_train(0), False), (datamanager.next_eval(0), True)):
        segments = points.segments
        frame = (segments.expand(segments.times) * (NUM_FRAMES - 1)).round().long()
        sample = ((points.positions[:, 0] + 1.0) * 0.5 * (WINDOW - 1)).round().long()
        assert torch.equal(batch["amplitudes"], sound.windows.amplitudes[frame, sample])
        masks = torch.stack([sound.hold_out.mask(index) for index in range(NUM_FRAMES)])
        assert (masks[frame, sample] == held_out).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config.yml of a short run on `chirp.wav`, which lies beside its outputs."""
    folder = tmp_path_factory.mktemp("run")
    write_chirp(folder / "chirp.wav")
    config = tiny_config(METHODS["audio-resfields-small"], folder / "chirp.wav", folder / "outputs")
    trained(config)
    return config.get_base_dir() / "config.yml"


def test_a_run_is_played_beside_its_sound(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.wav"
    monkeypatch.setattr(sys, "argv", ["rf-render", "audio", "--load-config", str(run), "--output-path", str(out)])
    render.entrypoint()
    loaded = load_trained_run(run)
    assert isinstance(loaded.model, SoundModel)
    found, rate = sound_of(loaded)
    played, played_rate = soundfile.read(out)
    assert rate == played_rate == RATE and played.shape == (LENGTH, 2)
    assert np.allclose(played, found.clip(-1.0, 1.0), atol=1.0 / 2**14)
    true = true_sound(loaded)
    assert true is not None and np.allclose(true, chirp(), atol=1.0 / 2**14)
    assert np.asarray(Image.open(out.with_suffix(".png"))).std() > 1.0


def test_a_sound_is_written_as_wav(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rf-render", "audio", "--load-config", str(run), "--output-path", "out.mp3"])
    with pytest.raises(SystemExit):
        render.entrypoint()
    assert "--output-path: expected a .wav file, found out.mp3" in capsys.readouterr().err


def test_a_run_is_played_without_its_sound(run: Path) -> None:
    (data,) = (folder / "chirp.wav" for folder in run.parents if (folder / "chirp.wav").is_file())
    played, _ = sound_of(load_trained_run(run))
    data.rename(data.with_name("gone"))
    try:
        loaded = load_trained_run(run)
        assert np.array_equal(sound_of(loaded)[0], played) and true_sound(loaded) is None
    finally:
        data.with_name("gone").rename(data)
