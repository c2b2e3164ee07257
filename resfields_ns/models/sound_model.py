"""A sound as a function of its windows and of the position within one."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from resfields_ns.captures.sequence import Sound
from resfields_ns.fields.siren_field import SirenFieldConfig
from resfields_ns.fields.value_field import ValueField, Waveform
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.shares import mean_of_rows
from resfields_ns.functional.waveforms import decibels, energy, first_layer_scale, sample_positions
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.layers import SirenMLP
from resfields_ns.models.coordinate_model import CoordinateModelConfig
from resfields_ns.models.picture_model import PictureModel
from resfields_ns.options import option
from resfields_ns.timeline import times_from_frames

_NUM_INPUTS = 2  # time and position


@dataclass
class SoundModelConfig(CoordinateModelConfig):
    """A Siren that maps (t, position) to amplitudes."""

    _target: type = dataclasses.field(default_factory=lambda: SoundModel)
    field: SirenFieldConfig = dataclasses.field(default_factory=lambda: SirenFieldConfig(hidden_dim=256))
    """The Siren."""
    start_frequency: float = option(1000.0, above=0)
    """Frequency in Hz up to which the first layer's sines reach before training; later layers make higher ones."""


class SoundModel(PictureModel):
    """Amplitudes of a sound's samples; cameras see a drawing of the waveform hang in space."""

    config: SoundModelConfig

    def make_field(self) -> ValueField:
        """Two numbers (t, position) in, an amplitude of every channel out."""
        windows = sequence_of(self.kwargs["metadata"], Sound).windows
        scale = first_layer_scale(self.config.start_frequency, windows.seconds, _NUM_INPUTS, SirenMLP.OMEGA)
        return self.config.field.setup(num_frames=self.num_frames, quantity=Waveform(windows.channels, scale))

    @property
    def waveform(self) -> Waveform:
        """What the field tells the amplitudes of."""
        assert isinstance(self.field.quantity, Waveform)
        return self.field.quantity

    def get_outputs(self, ray_bundle: TimedPoints) -> dict[str, Tensor]:
        """`amplitudes` [N, C] at the positions of a batch, of which the loudest sample is 1."""
        return {"amplitudes": self.waveform.amplitudes(self.field, ray_bundle)}

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """Mean squared error of amplitudes."""
        del metrics_dict
        return {"amplitude": self._error(outputs["amplitudes"], batch)}

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        """SNR of a batch in dB."""
        signal = mean_of_rows(batch["amplitudes"].to(self.device).square()) + 1e-12
        return {"snr": 10.0 * torch.log10(signal / (self._error(outputs["amplitudes"].detach(), batch) + 1e-12))}

    def _error(self, amplitudes: Float[Tensor, "points channels"], batch: dict[str, Any]) -> Float[Tensor, ""]:
        return mean_of_rows(F.mse_loss(amplitudes, batch["amplitudes"].to(self.device), reduction="none"))

    @torch.no_grad()
    def window(self, frame: int, length: int) -> Float[Tensor, "length channels"]:
        """What the field says at the samples of a frame."""
        positions = sample_positions(torch.arange(length, device=self.device), length)[:, None]
        time = times_from_frames(torch.tensor(frame), self.num_frames)
        parts = positions.split(self.config.eval_num_rays_per_chunk)
        return torch.cat([self.waveform.amplitudes(self.field, TimedPoints.at(part, time)) for part in parts])

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """SNR in dB of a window's samples that are trained on and of those held out, where there are any and they are
        not silent, with the energies (sums of squares) of the signal and of the error; the drawing of the original
        above that of the field."""
        true = batch["samples"].to(self.device)
        error = self.window(int(batch["image_idx"]), len(true)) - true
        sounding, held_out = batch["sounding"].to(self.device), batch["held_out"].to(self.device)
        values: dict[str, float] = {}
        for name, chosen in (("train", sounding & ~held_out), ("test", sounding & held_out)):
            if chosen.any():
                energies = {"signal": energy(true[chosen]), "error": energy(error[chosen])}
                if energies["signal"] > 0.0:
                    values[f"snr_{name}"] = decibels(energies["signal"], energies["error"])
                values |= {f"{of}_{name}": value for of, value in energies.items()}
        return values, {"img": torch.cat((batch["image"].to(self.device), outputs["rgb"]), dim=0)}
