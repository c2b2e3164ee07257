"""Agreement with values computed by the authors' released code, where they lie beside the checkout.

The released network sees time as 2 frame / frames - 1 (ours: 2 frame / (frames - 1) - 1, see docs/parity.md); the test
feeds it that time. All else goes through the ordinary layers and fields.
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from resfields_ns import timeline
from resfields_ns.fields.colour import FeatureColour
from resfields_ns.fields.laplace_density import LaplaceDensity
from resfields_ns.fields.sdf_field import DynamicSDFField, DynamicSDFFieldConfig
from resfields_ns.functional.compositing import composite, compositing_weights
from resfields_ns.functional.losses import eikonal
from resfields_ns.functional.rays import intersect_box
from resfields_ns.functional.segments import TimeSegments
from resfields_ns.layers import ResFieldLinear

GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden"
pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason="values of the released code are not at hand")

RELEASED_BOX_MARGIN = 0.01


def load(name: str) -> dict[str, torch.Tensor]:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return {key: torch.from_numpy(file[key]) for key in file.files if key != "meta"}


def load_meta(name: str) -> dict:
    with np.load(GOLDEN / f"{name}.npz", allow_pickle=False) as file:
        return json.loads(str(file["meta"]))


def assert_close(ours: torch.Tensor, released: torch.Tensor, relative: float) -> None:
    assert ((ours - released).norm() / released.norm()).item() < relative


@pytest.mark.parametrize("mode", ["lookup", "interpolation"])
def test_residual_layer(mode: str) -> None:
    golden = load(f"layer_{mode}_vm_add")
    out_features, in_features = golden["param/weight"].shape
    rows, rank = golden["param/weights_t"].shape
    layer = ResFieldLinear(in_features, out_features, num_frames=rows, rank=rank)
    copy_residual_layer(layer, golden, "param/")
    times = {
        "lookup": timeline.times_from_frames(golden["in/frame_index"], rows),
        "interpolation": 0.5 * (golden["in/time"] + 1.0),
    }[mode]
    assert_close(layer(golden["in/x"], times), golden["out/y"], 1e-5)


def copy_residual_layer(layer: ResFieldLinear, golden: dict[str, torch.Tensor], prefix: str) -> None:
    with torch.no_grad():
        layer.weight.copy_(golden[f"{prefix}weight"])
        layer.bias.copy_(golden[f"{prefix}bias"])
        layer.coefficients.table.copy_(golden[f"{prefix}weights_t"])
        layer.basis.copy_(golden[f"{prefix}matrix_t"].view_as(layer.basis))


class ReleasedTimeField(DynamicSDFField):
    """Feeds the network the released time."""

    def network_times(self, times: torch.Tensor) -> torch.Tensor:
        frames = timeline.frames_from_times(times, self.num_frames)
        return 2.0 * frames / self.num_frames - 1.0


@pytest.fixture(scope="module")
def tnerf() -> tuple[ReleasedTimeField, LaplaceDensity, dict[str, torch.Tensor], dict]:
    golden, meta = load("model_tnerf_volsdf"), load_meta("model_tnerf_volsdf")
    sdf_net, colour_net = meta["released_config"]["sdf_net"], meta["released_config"]["color_net"]
    config = DynamicSDFFieldConfig(
        residual_layers=tuple(sdf_net["resfield_layers"]),
        rank=sdf_net["composition_rank"],
        hidden_dim=sdf_net["d_hidden"],
        feature_dim=sdf_net["d_out"] - 1,
    )
    field = ReleasedTimeField(config, meta["num_frames"])
    field.colour = FeatureColour(config.feature_dim, colour_net["d_hidden"])
    field.set_window_progress(meta["window_ratio"])
    density = LaplaceDensity(0.1)
    for name, parameter in released_parameters(field, density).items():
        with torch.no_grad():
            parameter.copy_(golden[f"param/{name}"].view_as(parameter))
    return field, density, golden, meta


def released_parameters(field: DynamicSDFField, density: LaplaceDensity) -> dict[str, torch.Tensor]:
    """Our parameters under the released names."""
    named: dict[str, torch.Tensor] = {"deviation_net.beta": density.raw_beta}
    for index, layer in enumerate(field.sdf_mlp.layers):
        named |= {f"sdf_net.lin{index}.weight": layer.weight, f"sdf_net.lin{index}.bias": layer.bias}
        if isinstance(layer, ResFieldLinear):
            named[f"sdf_net.lin{index}.weights_t"] = layer.coefficients.table
            named[f"sdf_net.lin{index}.matrix_t"] = layer.basis
    for index, module in enumerate((field.colour.net[0], field.colour.net[2])):
        assert isinstance(module, torch.nn.Linear)
        named |= {f"color_net.lin{index}.weight": module.weight, f"color_net.lin{index}.bias": module.bias}
    return named


def test_tnerf_model(tnerf) -> None:
    field, density, golden, meta = tnerf
    origins, directions = golden["in/origins"], golden["in/directions"]
    box = torch.tensor(meta["scene_box"]).view(2, 3) + torch.tensor([[-RELEASED_BOX_MARGIN], [RELEASED_BOX_MARGIN]])
    near, far = intersect_box(origins, directions, box)
    edges = near[:, None] + (far - near)[:, None] * torch.linspace(0.0, 1.0, meta["num_samples"])
    widest = max(meta["scene_box"][axis + 3] - meta["scene_box"][axis] for axis in range(3))
    last = torch.full_like(edges[:, :1], widest / meta["num_samples"])
    deltas = torch.cat((edges.diff(dim=-1), last), dim=-1)
    distances = edges + 0.5 * deltas
    points = origins[:, None] + directions[:, None] * distances[..., None]

    times = timeline.times_from_frames(golden["in/frame_index"], meta["num_frames"])
    segments = TimeSegments.from_times(times).repeat(meta["num_samples"])
    sdf, gradient, feature = field.sdf_gradient_and_feature(points.flatten(end_dim=1), segments)
    weights = compositing_weights(density(sdf).view(distances.shape), deltas)
    rgb = composite(weights, field.colour(feature, points.flatten(end_dim=1)).view(points.shape))
    normals = composite(weights, torch.nn.functional.normalize(gradient, dim=-1).view(points.shape))
    gradient_error = eikonal(gradient)

    assert_close(sdf.view(golden["out/sdf"].shape), golden["out/sdf"], 1e-4)
    assert_close(rgb, golden["out/rgb"], 1e-4)
    assert_close(weights.sum(dim=-1, keepdim=True), golden["out/opacity"], 1e-4)
    assert_close(composite(weights, distances[..., None]), golden["out/depth"], 1e-4)
    assert_close(normals, golden["out/normal"], 1e-4)
    assert_close(gradient_error, golden["out/gradient_error"], 1e-4)

    loss = rgb.mean() + weights.sum(dim=-1).mean() + 0.1 * gradient_error
    assert_close(loss, golden["out/probe_loss"], 1e-4)
    loss.backward()
    parameters = released_parameters(field, density)
    compared = [name.removeprefix("out/grad/") for name in golden if name.startswith("out/grad/")]
    assert compared
    for name in compared:
        ours = parameters[name].grad
        assert ours is not None
        assert_close(ours.view(golden[f"out/grad/{name}"].shape), golden[f"out/grad/{name}"], 1e-3)
