"""One model of several that were trained on chunks of a capture, one after the other in time."""

from collections.abc import Callable
from dataclasses import replace
from itertools import accumulate, pairwise
from typing import Any

import torch
from jaxtyping import Bool, Float
from nerfstudio.cameras.rays import RayBundle
from nerfstudio.models.base_model import Model
from torch import Tensor, nn

from resfields_ns.captures.sequence import Capture
from resfields_ns.host.dataparsing import metadata_of, sequence_of
from resfields_ns.host.ray_bundles import ray_times
from resfields_ns.models.dynamic_model import DynamicModel
from resfields_ns.timeline import chunks_and_times


class JoinedModel(DynamicModel):
    """Shows at each time what the model of its chunk shows, to the bit; it cannot be trained.

    Fields and samplers are those of the chunks; it has none of its own.
    """

    def populate_modules(self) -> None:
        """Build the models of the chunks."""
        Model.populate_modules(self)
        self.background_field = self.colour_correction = self.camera_refinement = None
        capture, config = sequence_of(self.kwargs["metadata"], Capture), replace(self.config, joined=())
        if (expected := sum(self.config.joined)) != self.num_frames:
            raise ValueError(f"--data: expected {expected} frames, as the run was joined of, found {self.num_frames}")
        chunks = [capture.between(*ends) for ends in pairwise(accumulate(self.config.joined, initial=0))]
        self.chunks = nn.ModuleList(
            DynamicModel(config, self.scene_box, self.num_train_data, metadata_of(chunk)) for chunk in chunks
        )

    def get_param_groups(self) -> dict[str, list[nn.Parameter]]:
        """Raises ValueError: each chunk was trained with numbers of its own optimizer."""
        raise ValueError("--load-config: expected a run to train, found a joined one, which can be looked at alone")

    def get_outputs(self, ray_bundle: RayBundle) -> dict[str, Any]:
        """What the chunks render of the rays of their times."""
        indices, times = chunks_and_times(ray_times(ray_bundle, self.config.fallback_time), self.config.joined)
        bundle, rows, outputs = replace(ray_bundle, times=times[:, None]), [], []
        for index in indices.unique().tolist():
            model = self._model(index)
            model.with_normals = self.with_normals
            rows.append((indices == index).nonzero()[:, 0])
            outputs.append(model.get_outputs(bundle[rows[-1]]))
        order = torch.cat(rows).argsort()
        names = [name for name, output in outputs[0].items() if isinstance(output, Tensor)]
        return {name: torch.cat([each[name] for each in outputs])[order] for name in names}

    @property
    def surface_box(self) -> Float[Tensor, "2 3"]:
        """The scene box."""
        return self._model(0).surface_box

    def surface_level(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points"]:
        """That of the chunk."""
        model, own_time = self._at(time)
        return model.surface_level(points, own_time)

    def occupied(self, points: Float[Tensor, "points 3"], time: float) -> Bool[Tensor, "points"]:
        """What the chunk's sampler calls occupied."""
        model, own_time = self._at(time)
        return model.occupied(points, own_time)

    def surface_colours(self, points: Float[Tensor, "points 3"], time: float) -> Float[Tensor, "points 3"]:
        """Those of the chunk."""
        model, own_time = self._at(time)
        return model.surface_colours(points, own_time)

    @property
    def view_basis(self) -> Callable[[Float[Tensor, "views 3"]], Float[Tensor, "views functions"]] | None:
        """None: each chunk has learnt its own."""
        return None

    def get_image_metrics_and_images(
        self, outputs: dict[str, Tensor], batch: dict[str, Any]
    ) -> tuple[dict[str, float], dict[str, Tensor]]:
        """As the chunks do."""
        return self._model(0).get_image_metrics_and_images(outputs, batch)

    def _model(self, index: int) -> DynamicModel:
        model = self.chunks[index]
        assert isinstance(model, DynamicModel)
        return model

    def _at(self, time: float) -> tuple[DynamicModel, float]:
        """The chunk of a time, and its time there."""
        index, own_time = chunks_and_times(torch.tensor(time), self.config.joined)
        return self._model(int(index)), float(own_time)
