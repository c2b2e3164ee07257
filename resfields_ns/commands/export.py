"""`rf-export`: meshes of a trained run, one a frame, and all of them as one animation."""

from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from resfields_ns.commands.command_line import run_command
from resfields_ns.options import Limits


def export(
    load_config: Path,
    output_dir: Path,
    resolution: int = 128,
    frames: str = "::",
    format: Literal["ply", "obj", "glb"] = "ply",
    units: Literal["normalised", "world"] | None = None,
    up: Literal["y", "z"] = "y",
    animated: bool = False,
    animation_format: Literal["glb", "usdc"] | None = None,
    fps: float | None = None,
    pieces: int | Literal["hull"] | None = None,
    smoothing: int | None = None,
    triangles: int | None = None,
    texels: int | None = None,
    residual_scale: float = 1.0,
    residual_rank: int | None = None,
    between: tuple[int, int] | None = None,
    chunk_size: int = 65_536,
) -> None:
    """Write the surface at every frame as a mesh with vertex colours.

    Files are named by the capture's frame numbers, mesh_000010.ply. A frame without a surface gets none. meshes.json
    tells of which run they are and which of them are missing: the same command goes on where it was stopped. With
    --animated, animation.glb plays them all, in Blender as in viewers of glTF; with --animation-format usdc it is
    animation.usdc, for Blender and programs that read OpenUSD.

    Example: rf-export --load-config RUN/config.yml --output-dir meshes --frames 0:50:10

    Args:
        load_config: The run's config.yml.
        output_dir: Folder for the meshes of this run alone; those that are made otherwise are replaced.
        resolution: Cells along the longest side of the scene box.
        frames: Frames of the run, counted from 0, as start:stop:step.
        format: Format of the files.
        units: Units of the points: those that the model is trained in, or those of the capture's cameras, metres where
            the capture counts in these. By default normalised, and world with --animated, since glTF counts in metres.
        up: Axis of the capture that points up. Files are turned so that y does, as glTF, USD and importers of OBJ
            have it.
        animated: Write animation.glb as well, which shows the meshes one after the other.
        animation_format: Format of the animation, glb by default; usdc needs pip install 'resfields-ns[usd]'.
        fps: Frames of the run that the animation plays a second; by default those of the capture, or 24 where it does
            not tell.
        pieces: Keep this many connected pieces of a surface, the largest, or with hull those that mostly lie where the
            masks of all cameras leave something; by default all.
        smoothing: Rounds of smoothing, which keep the volume; by default none.
        triangles: Simplify meshes to this many triangles; by default all stay.
        texels: Write colours as a picture with this many pixels along a side of each triangle, in obj (with its .mtl)
            and glb; by default vertices have colours.
        residual_scale: Factor on the residual weights; 0 shows what the base weights alone hold.
        residual_rank: Keep the best approximation of this rank of every residual; by default all of it.
        between: Two shapes of a run with codes: its frames are then steps from the one's code to the other's.
        chunk_size: Points evaluated at once, which bounds the memory.
    """
    Limits(least=2).check("--resolution", resolution)
    Limits(least=1).check("--chunk-size", chunk_size)
    finish = {"pieces": pieces, "smoothing": smoothing, "triangles": triangles, "texels": texels}
    for name, value in finish.items():
        if isinstance(value, int):
            Limits(least=2 if name == "texels" else 1).check(f"--{name}", value)
    if texels is not None and (format == "ply" or animation_format == "usdc"):
        raise ValueError(
            f"--texels: expected with --format obj or glb, without usdc, found {animation_format or format}"
        )
    if fps is not None:
        Limits(above=0).check("--fps", fps)
    for name, value in {"fps": fps, "animation-format": animation_format}.items():
        if value is not None and not animated:
            raise ValueError(f"--{name}: expected with --animated, found {value} without")
    if animation_format == "usdc" and find_spec("pxr") is None:
        raise ValueError("--animation-format: usdc needs OpenUSD: pip install 'resfields-ns[usd]'")
    if output_dir.exists() and not output_dir.is_dir():
        raise ValueError(f"--output-dir: expected a folder, found the file {output_dir}")
    from resfields_ns.export.mesh_finish import MeshFinish, hull_of, supported_pieces  # slow to import
    from resfields_ns.export.mesh_formats import animate_meshes
    from resfields_ns.export.mesh_set import export_meshes
    from resfields_ns.export.surface import Surface
    from resfields_ns.export.texture import add_texture
    from resfields_ns.host.trained_run import load_trained_run
    from resfields_ns.timeline import parse_frames

    run = load_trained_run(load_config)
    run.show_residuals(residual_scale, residual_rank)
    run.go_between(between)
    indices = parse_frames(frames, run.num_frames)
    shown = {"residual_scale": residual_scale, "residual_rank": residual_rank, **finish}
    if between is not None:
        shown["between"] = list(between)
    units = units or ("world" if animated else "normalised")
    steps = MeshFinish(None if pieces == "hull" else pieces, smoothing, triangles)

    def finished(surface: Surface, frame: int) -> Surface:
        if pieces == "hull":
            surface = supported_pieces(surface, hull_of(run, frame), run.sequence.box)
        surface = steps(surface)
        return surface if texels is None else add_texture(surface, run, frame, texels, chunk_size)

    written = export_meshes(run, indices, output_dir, resolution, format, units, chunk_size, shown, finished, up)
    if not written:
        raise ValueError(f"{load_config}: expected a surface in the scene box, found none in any frame asked for")
    print(f"Wrote {len(written)} of {len(indices)} meshes to {output_dir}")
    if animated:
        numbers = {number: frame for frame, number in enumerate(run.sequence.frames.numbers)}
        files = {numbers[int(path.stem.removeprefix("mesh_"))]: path for path in written}
        rate = fps or run.sequence.frames.rate or 24.0
        animation = output_dir / f"animation.{animation_format or 'glb'}"
        animate_meshes(indices, files, rate, animation)
        print(f"They play as {animation}, {rate:g} frames of the run a second")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(export)


if __name__ == "__main__":
    entrypoint()
