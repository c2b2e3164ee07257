"""Modes of Azure Kinect's cameras: which part of the sensor an image shows.

A calibration is for the whole sensor as a unit square; an image is the sensor binned to some size, then cropped.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class CameraMode:
    """Size of the binned sensor, and where the image lies on it, in pixels (width, height)."""

    sensor: tuple[int, int]
    offset: tuple[int, int]
    size: tuple[int, int]


DEPTH_MODES = {
    "NFOV_2X2BINNED": CameraMode((512, 512), (96, 90), (320, 288)),
    "NFOV_UNBINNED": CameraMode((1024, 1024), (192, 180), (640, 576)),
    "WFOV_2X2BINNED": CameraMode((512, 512), (0, 0), (512, 512)),
    "WFOV_UNBINNED": CameraMode((1024, 1024), (0, 0), (1024, 1024)),
}
"""By the tag K4A_DEPTH_MODE."""

COLOR_MODES = {
    "720P": CameraMode((1280, 960), (0, 120), (1280, 720)),
    "1080P": CameraMode((1920, 1440), (0, 180), (1920, 1080)),
    "1440P": CameraMode((2560, 1920), (0, 240), (2560, 1440)),
    "1536P": CameraMode((2048, 1536), (0, 0), (2048, 1536)),
    "2160P": CameraMode((3840, 2880), (0, 360), (3840, 2160)),
    "3072P": CameraMode((4096, 3072), (0, 0), (4096, 3072)),
}
"""By the part of the tag K4A_COLOR_MODE after the pixel format, as in MJPG_1080P."""
