"""Peak memory of training on a long video: what its frames add, as a multiple of their bytes.

    python -m benchmarks.video_memory

Both runs train `video-resfields-small` on a made-up mp4 file of 512 x 288 pixels at full size, for a few steps: one
with as many frames as a step looks at (the model's own memory), one with 1,000.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

import av
import numpy as np
import tyro
from nerfstudio.engine.trainer import TrainerConfig

from benchmarks.measure import method_config
from benchmarks.memory import peak_memory_gb

HEIGHT, WIDTH = 288, 512
STEPS = 5


def write_clip(path: Path, num_frames: int) -> None:
    """Write noise that moves, with some detail everywhere."""
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT // 8, WIDTH // 8 + num_frames, 3), dtype=np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"preset": "ultrafast"})
        stream.height, stream.width, stream.pix_fmt = HEIGHT, WIDTH, "yuv420p"  # pyright: ignore
        for frame in range(num_frames):
            picture = noise[:, frame : frame + WIDTH // 8].repeat(8, axis=0).repeat(8, axis=1)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))  # pyright: ignore
        container.mux(stream.encode(None))  # pyright: ignore


def train(clip: Path) -> float:
    """Train for a few steps and return this process's peak memory in GB."""
    config = method_config("video-resfields-small")
    assert isinstance(config, TrainerConfig)
    config.data = config.pipeline.datamanager.data = clip
    config.pipeline.datamanager.dataparser.image_scale = 1.0  # pyright: ignore[reportAttributeAccessIssue]
    config.output_dir, config.vis, config.max_num_iterations = clip.parent / "outputs", "tensorboard", STEPS
    config.set_timestamp()
    trainer = config.setup(local_rank=0, world_size=1)
    trainer.setup()
    trainer.train()
    return peak_memory_gb()


def main(num_frames: int = 1000) -> None:
    """Compare a run on `num_frames` frames with one on 50.

    Args:
        num_frames: of the long clip
    """
    peaks = {}
    with tempfile.TemporaryDirectory() as folder:
        for count in (50, num_frames):
            clip = Path(folder) / f"{count}.mp4"
            write_clip(clip, count)
            command = "import sys; from pathlib import Path; from benchmarks.video_memory import train; "
            command += "print('PEAK', train(Path(sys.argv[1])))"
            output = subprocess.run(
                [sys.executable, "-c", command, str(clip)], check=True, capture_output=True, text=True
            )
            peaks[count] = float(output.stdout.split("PEAK")[1])
    added_frames = num_frames - 50
    clip_gb = added_frames * HEIGHT * WIDTH * 3 / 1e9
    ratio = (peaks[num_frames] - peaks[50]) / clip_gb
    print(f"50 frames: {peaks[50]:.3f} GB, {num_frames} frames: {peaks[num_frames]:.3f} GB")
    print(f"{added_frames} frames are {clip_gb:.3f} GB as bytes and add {ratio:.2f} times as much")


if __name__ == "__main__":
    tyro.cli(main)
