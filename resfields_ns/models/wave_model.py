"""Waves that are learnt from their equation alone (Sitzmann et al. 2020b, 4.4)."""

import dataclasses
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from resfields_ns.captures.clips.wave_references import SIDE
from resfields_ns.captures.sequence import PlaneWaves
from resfields_ns.fields.siren_field import SirenField, SirenFieldConfig
from resfields_ns.fields.value_field import PlaneWave
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.functional.shares import mean_of_rows
from resfields_ns.functional.wave_equations import PlaneEquation, wave_colours
from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.models.coordinate_model import CoordinateModelConfig
from resfields_ns.models.picture_model import PictureModel
from resfields_ns.options import option


@dataclass
class WaveModelConfig(CoordinateModelConfig):
    """A Siren that solves an equation."""

    _target: type = dataclasses.field(default_factory=lambda: WaveModel)
    field: SirenFieldConfig = dataclasses.field(
        default_factory=lambda: SirenFieldConfig(hidden_dim=128, coefficients="spline")
    )
    """The Siren."""
    border_loss_weight: float = option(1.0, least=0)
    """Weight of the loss that holds the field at 0 at the border."""

    def check_options(self) -> None:
        """Raise ValueError for residual weights that have no second derivative by time."""
        super().check_options()
        field, smooth = self.field, {"residual": "low-rank", "coefficients": "spline"}
        smooth |= {"weight_chunks": 1, "residual_chunks": 1}
        for name, expected in smooth.items() if field.residual_layers else ():
            if (found := getattr(field, name)) != expected:
                named = f"--pipeline.model.field.{name.replace('_', '-')}"
                raise ValueError(
                    f"{named}: expected {expected}, as the equation needs second derivatives by time, got {found}"
                )


class WaveModel(PictureModel):
    """A field that solves an equation; cameras see its first value in colours hang in space."""

    config: WaveModelConfig
    field: SirenField  # pyright: ignore[reportIncompatibleVariableOverride]

    @property
    def equation(self) -> PlaneEquation:
        """What is solved."""
        return sequence_of(self.kwargs["metadata"], PlaneWaves).reference.equation

    def make_field(self) -> SirenField:
        """Three numbers (t, row, column) in, those of the solution out."""
        return self.config.field.setup(num_frames=self.num_frames, quantity=PlaneWave(self.equation, SIDE))

    def get_outputs(self, ray_bundle: TimedPoints) -> dict[str, Tensor]:
        """At points: the `solution` [N, values], and its `residuals` [N, values]."""
        equation, segments, positions = self.equation, ray_bundle.segments, ray_bundle.positions
        times = segments.expand(segments.times)
        jet = self.field.jet(ray_bundle, equation.with_time)
        return {
            "solution": equation.solution(jet.values, positions, times),
            "residuals": equation.residuals(jet, positions, times),
        }

    def get_loss_dict(
        self, outputs: dict[str, Any], batch: dict[str, Any], metrics_dict: dict | None = None
    ) -> dict[str, Tensor]:
        """Mean squares of residuals inside, and of the solution at the border."""
        del metrics_dict
        border = batch["border"].to(self.device)
        inside, at_border = (outputs[name].square().sum(dim=1) for name in ("residuals", "solution"))
        return {
            "equation": mean_of_rows(inside * ~border),
            "border": self.config.border_loss_weight * mean_of_rows(at_border * border),
        }

    def get_metrics_dict(self, outputs: dict[str, Any], batch: dict[str, Any]) -> dict[str, Tensor]:
        """Root mean square of a batch's residuals."""
        del batch
        return {"residual": mean_of_rows(outputs["residuals"].detach().square().sum(dim=1)).sqrt()}

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """Relative error (L2) of a frame where the solution means something, with the squares that it is made of; the
        field, the reference, and their difference side by side."""
        reference = batch["reference"].to(self.device)
        found = self.frame(int(batch["image_idx"]))
        line = torch.linspace(-1.0, 1.0, SIDE, device=self.device)
        compared = self.equation.compared(torch.cartesian_prod(line, line))
        difference = found - reference
        squared_error, squared = (
            float(values.flatten(end_dim=1)[compared].double().square().sum()) for values in (difference, reference)
        )
        pictures = torch.cat((outputs["rgb"], *(wave_colours(x[..., 0]) for x in (reference, difference))), dim=1)
        relative = {"relative_error": (squared_error / squared) ** 0.5} if squared > 0.0 else {}
        return relative | {"squared_error": squared_error, "squared_reference": squared}, {"img": pictures}

    @torch.no_grad()
    def frame(self, frame: int) -> Float[Tensor, "side side values"]:
        """The solution at the grid points of a frame."""
        line = torch.linspace(-1.0, 1.0, SIDE, device=self.device)
        points = torch.cartesian_prod(line, line)
        time = frame / max(self.num_frames - 1, 1)
        assert isinstance(self.field.quantity, PlaneWave)
        parts = points.split(self.config.eval_num_rays_per_chunk)
        found = [self.field.quantity.solution(self.field, TimedPoints.at(part, time)) for part in parts]
        return torch.cat(found).view(SIDE, SIDE, -1)
