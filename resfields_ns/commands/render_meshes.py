"""`rf-render-meshes`: a capture of a mesh sequence, seen from chosen cameras."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro

from resfields_ns.commands.command_line import print_training, run_command
from resfields_ns.options import Limits

if TYPE_CHECKING:
    from resfields_ns.captures.meshes.rigs import Rig

_SIZE = (512, 512)


def render_meshes(
    source: Annotated[Path, tyro.conf.Positional],
    out: Annotated[Path, tyro.conf.Positional],
    rig: str | None = None,
    cameras_of: Path | None = None,
    size: tuple[int, int] | None = None,
    elevation: float | None = None,
    fov: float | None = None,
    radius: float | None = None,
    frames: str = "::",
    texture: Path | None = None,
    fps: float | None = None,
    animation: str | None = None,
    up: Literal["y", "z"] = "y",
    metres_per_unit: float | None = None,
    offset: tuple[float, float, float] | None = None,
    samples: int = 2,
    depth_noise: float = 0.0,
    seed: int = 0,
) -> None:
    """Render a mesh sequence to a capture in the Owlii layout: colours, masks, depth, cameras, box, clouds and meshes.

    The source is a folder with one OBJ or PLY file a frame (with textures or colours), a .glb or .gltf animation, an
    .anime file, or a .npz with vertices [T, V, 3], faces and uv. Colours are the surface's own, without lights. A run
    that was stopped goes on where it was when it is started again.

    Example: rf-render-meshes fox.glb fox --animation Walk --rig paper --size 400 400 --metres-per-unit 0.01

    Args:
        source: The mesh sequence.
        out: Folder to write, new or empty.
        rig: Cameras: paper (4 fixed training cameras and one going around), rgbd (3 and one between them), dome:N
            (N above and around, and one going around), or a JSON file; by default paper.
        cameras_of: A capture whose cameras and normalisation to use in place of a rig.
        size: Width and height of the images; by default those of the JSON file or the capture, or 512 512.
        elevation: Degrees above the horizon of a preset's lowest cameras; by default 12.
        fov: Angle of view of a preset's cameras over the shorter side of the image, in degrees; by default 40.
        radius: Distance of a preset's cameras, where 1 is the radius of the sphere around the sequence; by default as
            close as it fits into the image.
        frames: Frames of the sequence, as start:stop:step.
        texture: Texture of a .npz, or of all frames of a folder.
        fps: Frames a second at which a .glb or .gltf animation is sampled; by default 30.
        animation: Name of the animation in a .glb or .gltf file; by default the first one.
        up: Axis of the source that points up; the capture's is y.
        metres_per_unit: Metres in one unit of the source, which depth is measured in; by default 1. With
            --cameras-of, the default places the sequence's box where that of the capture's meshes is.
        offset: Where the source's origin goes, in metres; by default 0 0 0, or see --metres-per-unit.
        samples: Rays along each side of a pixel, for its colour and mask (half of them or more see the surface).
        depth_noise: Millimetres between neighbouring readings of a depth camera at 1 m, growing with the square of
            the distance, with noise and lost readings at edges (2.85 for a first Kinect); by default exact depth.
        seed: Decides the noise, and the points of the clouds.
    """
    _check_numbers(samples, depth_noise, seed)

    # slow to import, and not needed for --help
    from resfields_ns.captures.capture_writer import check_unused, describe_files
    from resfields_ns.captures.meshes.mesh_files import open_mesh_sequence, source_files
    from resfields_ns.captures.meshes.mesh_frames import Placement, sequence_bounds
    from resfields_ns.captures.meshes.mesh_rendering import (
        cameras_of_capture,
        cameras_of_rig,
        placement_in_capture,
        render_capture,
    )
    from resfields_ns.timeline import parse_frames

    check_unused(out)
    placement = Placement(up, 1.0 if metres_per_unit is None else metres_per_unit, offset or (0.0, 0.0, 0.0))
    chosen_rig = _chosen_rig(rig, cameras_of, elevation, fov, radius)
    sequence = open_mesh_sequence(source, texture, fps, animation)
    indices = parse_frames(frames, len(sequence))
    bounds = sequence_bounds(sequence, indices, placement, show_progress=True, name=str(source))
    if cameras_of is None:
        cameras = cameras_of_rig(chosen_rig, _checked_size(size or chosen_rig.size or _SIZE), len(indices), bounds)
    else:
        cameras = cameras_of_capture(cameras_of, indices, None if size is None else _checked_size(size))
        if metres_per_unit is None and offset is None:
            placement = placement_in_capture(cameras_of, cameras, indices, bounds, up)
            bounds = bounds.moved(placement.metres_per_unit, placement.offset)
    render_capture(
        out,
        {"files": describe_files(source_files(source, texture)), "fps": fps, "animation": animation},
        sequence,
        indices,
        placement,
        bounds,
        cameras,
        samples=samples,
        depth_step=depth_noise,
        seed=seed,
        show_progress=True,
    )
    sizes = " and ".join(f"{width} x {height}" for width, height in cameras.sizes)
    print(f"Wrote {len(indices)} frames of {len(cameras.cameras)} cameras, {sizes} pixels, to {out}")
    print(f"Box of the meshes: {' x '.join(f'{side:.3g}' for side in bounds.size)} m")
    print(
        f"Placement: --metres-per-unit {placement.metres_per_unit:.9g} --offset",
        *(f"{x:.9g}" for x in placement.offset),
    )
    print_training(out, list(cameras.cameras), "tnerf-resfields-small")


def _chosen_rig(
    rig: str | None, cameras_of: Path | None, elevation: float | None, fov: float | None, radius: float | None
) -> "Rig":
    """The rig of a file or a preset; one without cameras where they come from a capture."""
    from resfields_ns.captures.meshes.rigs import Rig, preset_rig, read_rig

    if cameras_of is not None and rig is not None:
        raise ValueError(f"--rig: expected none with --cameras-of, found {rig!r}")
    if cameras_of is None and (rig is None or not rig.endswith(".json")):
        return preset_rig(rig or "paper", elevation, fov, radius)
    for option, value in [("--elevation", elevation), ("--fov", fov), ("--radius", radius)]:
        if value is not None:
            raise ValueError(f"{option}: expected only with a preset as --rig, found {value}")
    return Rig({}) if rig is None else read_rig(Path(rig))


def _check_numbers(samples: int, depth_noise: float, seed: int) -> None:
    Limits(least=1, most=16).check("--samples", samples)
    Limits(least=0, most=1000).check("--depth-noise", depth_noise)
    Limits(least=0).check("--seed", seed)


def _checked_size(size: tuple[int, int]) -> tuple[int, int]:
    for side in size:
        Limits(least=16, most=8192).check("--size", side)
    return size


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(render_meshes)


if __name__ == "__main__":
    entrypoint()
