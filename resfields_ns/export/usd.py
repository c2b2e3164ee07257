"""OpenUSD files: a surface a frame, as one mesh whose triangles change with time."""

# pyright: reportAttributeAccessIssue=false
# pxr makes its names while it is imported.

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Int

from resfields_ns.captures.meshes.colours import linear_from_srgb
from resfields_ns.export.surface import Surface
from resfields_ns.files import write_aside


def write_usd(
    surfaces: Iterable[Surface],
    starts: Int[np.ndarray, "surfaces"],
    ends: Int[np.ndarray, "surfaces"],
    length: int,
    fps: float,
    path: Path,
) -> None:
    """Write a .usdc file that shows each surface from its start to before its end, and in between nothing.

    Its y axis points up, its unit is the metre. The file appears whole or not at all.

    Args:
        surfaces: one or more, with triangles
        starts, ends: of each, in frames from 0 on, one after the other
        length: of the animation in frames
        fps: frames a second
        path: of the file
    """
    from pxr import Usd, UsdGeom

    with write_aside(path) as partial:
        stage = Usd.Stage.CreateNew(str(partial))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0)
        stage.SetFramesPerSecond(fps)
        stage.SetTimeCodesPerSecond(fps)
        stage.SetStartTimeCode(0)
        stage.SetEndTimeCode(length - 1)
        mesh = UsdGeom.Mesh.Define(stage, "/Sequence")
        stage.SetDefaultPrim(mesh.GetPrim())
        mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
        mesh.CreateDoubleSidedAttr(True)
        mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
        mesh.CreateDisplayColorPrimvar(UsdGeom.Tokens.vertex)
        begun = 0
        for surface, start, end in zip(surfaces, starts.tolist(), ends.tolist(), strict=True):
            _show(mesh, _NOTHING, range(begun, start))
            _show(mesh, surface, range(start, end))
            begun = end
        _show(mesh, _NOTHING, range(begun, length))
        stage.Save()


_NOTHING = Surface(np.zeros((0, 3)), np.zeros((0, 3), np.int64), np.zeros((0, 3)))


def _show(mesh: Any, surface: Surface, frames: range) -> None:
    """Let a mesh be a surface at frames: at each of them, as readers may blend what lies between two. The file holds
    equal numbers once."""
    from pxr import Vt

    points = np.asarray(surface.vertices, np.float32)
    values = (
        (mesh.GetPointsAttr(), Vt.Vec3fArray.FromNumpy(points)),
        (mesh.GetNormalsAttr(), Vt.Vec3fArray.FromNumpy(np.asarray(surface.normals, np.float32))),
        (mesh.GetDisplayColorAttr(), Vt.Vec3fArray.FromNumpy(linear_from_srgb(surface.colours).astype(np.float32))),
        (mesh.GetFaceVertexCountsAttr(), Vt.IntArray.FromNumpy(np.full(len(surface.faces), 3, np.int32))),
        (mesh.GetFaceVertexIndicesAttr(), Vt.IntArray.FromNumpy(surface.faces.reshape(-1).astype(np.int32))),
    )
    for frame in frames:
        for attribute, value in values:
            attribute.Set(value, frame)
        if len(points):
            mesh.GetExtentAttr().Set(Vt.Vec3fArray.FromNumpy(np.stack([points.min(axis=0), points.max(axis=0)])), frame)
