"""What a model renders, as pictures to look at.

Notation: outputs of H x W pixels; accumulation in [0, 1] tells how much of the scene a pixel holds.
"""

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from jaxtyping import Float, UInt8
from nerfstudio.cameras.cameras import Cameras
from nerfstudio.utils.colormaps import ColormapOptions, apply_colormap, apply_depth_colormap
from torch import Tensor

Outputs = dict[str, Tensor]
Picture = UInt8[np.ndarray, "height width 3"]


def painter(output: str, cameras: Cameras, box: Float[Tensor, "2 3"]) -> Callable[[Outputs], Picture]:
    """A function that turns a model's outputs into a picture of `output`.

    Depth has one colour scale for all cameras, from the nearest to the farthest point of the box that they can see.
    Raises ValueError, when it is called, if the model does not render the output.
    """
    near, far = _depth_range(cameras, box)
    return partial(_paint, output, near, far)


def _paint(output: str, near: float, far: float, outputs: Outputs) -> Picture:
    if output not in outputs:
        raise ValueError(f"--output: expected one of the model's {', '.join(sorted(outputs))}, found {output!r}")
    values, accumulation = outputs[output], outputs["accumulation"]
    if output == "depth":
        colours = apply_depth_colormap(values, accumulation, near, far)
    elif output == "normals":
        colours = 0.5 * (values + accumulation) + (1.0 - accumulation)  # (n + 1) / 2 over white
    else:
        colours = apply_colormap(values.clamp(0.0, 1.0), ColormapOptions(colormap="gray"))
    return (colours.clamp(0.0, 1.0) * 255.0).round().to(torch.uint8).cpu().numpy()


def _depth_range(cameras: Cameras, box: Float[Tensor, "2 3"]) -> tuple[float, float]:
    distances = (cameras.camera_to_worlds[..., 3] - box.mean(dim=0)).norm(dim=-1)
    reach = (box[1] - box[0]).norm() / 2
    return float((distances.min() - reach).clamp_min(0.0)), float(distances.max() + reach)
