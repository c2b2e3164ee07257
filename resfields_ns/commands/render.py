"""`rf-render`: movies of a trained run."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from resfields_ns.commands.command_line import run_command
from resfields_ns.options import Limits
from resfields_ns.timeline import parse_frames

# What needs torch is imported inside functions, and typed Any outside: slow to import, and not needed for --help.


@dataclass
class RenderOptions(ABC):
    """What every kind of movie has."""

    load_config: tuple[Path, ...]
    """The run's config.yml, or those of several runs: they stand side by side (below one another where there are
    several outputs)."""
    output_path: Path
    """Movie to write: a .mp4 or .gif file, or a name without suffix for a folder of png files."""
    output: tuple[Literal["rgb", "depth", "normals", "accumulation"], ...] = ("rgb",)
    """What to show; several stand side by side."""
    scale: float = 1.0
    """Factor on the pictures' size."""
    residual_scale: float = 1.0
    """Factor on the residual weights; 0 shows what the base weights alone hold."""
    residual_rank: int | None = None
    """Keep the best approximation of this rank of every residual; by default all of it."""
    between: tuple[int, int] | None = None
    """Two shapes of a run with codes: time then runs from the code of the one to that of the other."""

    def main(self) -> None:
        """Render the movie and say where it is."""
        from resfields_ns.export.movies import check_movie_path, write_films
        from resfields_ns.host.trained_run import load_trained_run

        check_movie_path(self.output_path)
        Limits(above=0).check("--scale", self.scale)
        for name, given in (("--load-config", self.load_config), ("--output", self.output)):
            if not given:
                raise ValueError(f"{name}: expected at least one, found none")
        runs = [load_trained_run(path) for path in self.load_config]
        for run in runs:
            run.show_residuals(self.residual_scale, self.residual_rank)
            run.go_between(self.between)
        cameras, rates = zip(*(self.cameras_and_fps(run) for run in runs), strict=True)
        lengths = [len(of_run) for of_run in cameras]
        if len(set(lengths)) > 1:
            raise ValueError(f"--load-config: expected runs with as many pictures each, found {lengths}")
        films = [self.film(*of_run) for of_run in zip(runs, cameras, strict=True)]
        write_films(films, self.output_path, rates[0], below=len(self.output) > 1)
        print(f"Wrote {lengths[0]} pictures to {self.output_path}")

    @abstractmethod
    def cameras_and_fps(self, run: Any) -> tuple[Any, float]:
        """The nerfstudio `Cameras` to see the `TrainedRun` from, with times, and pictures a second.

        Raises ValueError for an option that the run cannot meet.
        """

    def film(self, run: Any, cameras: Any) -> Iterator[Any]:
        """The pictures of what the cameras see."""
        from resfields_ns.export.movies import film

        return film(run, cameras, self.output, self.scale)


@dataclass
class RenderSweep(RenderOptions):
    """A camera that is still while time runs."""

    frames: str = "::"
    """Frames of the run, counted from 0, as start:stop:step."""
    slow_motion: int = 1
    """Pictures for each step from one frame to the next."""

    def sweep(self, run: Any, camera: Any) -> Any:
        """The camera at the times of the frames and between them."""
        from resfields_ns.export.camera_paths import hold_camera, sweep_times

        Limits(above=0).check("--slow-motion", self.slow_motion)
        frames = parse_frames(self.frames, run.num_frames)
        return hold_camera(camera, sweep_times(frames, run.num_frames, self.slow_motion))


@dataclass
class RenderTime(RenderSweep):
    """Hold a camera still while time runs."""

    camera: str | None = None
    """Camera of the capture, held as at its first frame; by default the first training camera."""
    fps: float = 24.0
    """Pictures a second."""

    def cameras_and_fps(self, run: Any) -> tuple[Any, float]:
        """The camera at the times of the frames and between them."""
        Limits(above=0).check("--fps", self.fps)
        if run.num_frames == 1:
            print("One frame: the movie is a single picture; rf-render orbit turns about the scene.")
        return self.sweep(run, run.camera(self.camera)), self.fps


@dataclass
class RenderVideo(RenderSweep):
    """Play a video beside its reconstruction, which is on the right; `--scale` and `--slow-motion` refine it."""

    fps: float | None = None
    """Pictures a second; by default the video's own, or 24 where it does not tell."""

    def cameras_and_fps(self, run: Any) -> tuple[Any, float]:
        """The camera whose view the picture fills."""
        fps = self.fps if self.fps is not None else run.sequence.frames.rate or 24.0
        Limits(above=0).check("--fps", fps)
        return self.sweep(run, run.camera(None)), fps

    def film(self, run: Any, cameras: Any) -> Iterator[Any]:
        """Original and reconstruction side by side."""
        from resfields_ns.export.movies import film, original

        return film(run, cameras, self.output, self.scale, original(run, cameras))


@dataclass
class RenderFreeze(RenderOptions):
    """Turn about the scene at one frozen frame."""

    frame: int = 0
    """Frame of the run, counted from 0."""
    seconds: float = 4.0
    """Length of the movie."""
    turns: float = 1.0
    """How often to go around."""
    fps: float = 24.0
    """Pictures a second."""

    def cameras_and_fps(self, run: Any) -> tuple[Any, float]:
        """A circle at one time."""
        from resfields_ns.export.camera_paths import frozen_times, orbit

        Limits(least=0, most=run.num_frames - 1).check("--frame", self.frame)
        Limits(above=0).check("--turns", self.turns)
        times = frozen_times(self.frame, run.num_frames, _num_pictures(self.seconds, self.fps))
        return orbit(run.train_dataset.cameras, run.box.mean(dim=0), times, self.turns), self.fps


@dataclass
class RenderOrbit(RenderOptions):
    """Turn about the scene while time runs once over the sequence."""

    seconds: float = 4.0
    """Length of the movie."""
    turns: float = 1.0
    """How often to go around."""
    fps: float = 24.0
    """Pictures a second."""

    def cameras_and_fps(self, run: Any) -> tuple[Any, float]:
        """A circle from the first time to the last."""
        from resfields_ns.export.camera_paths import orbit, running_times

        Limits(above=0).check("--turns", self.turns)
        times = running_times(_num_pictures(self.seconds, self.fps))
        return orbit(run.train_dataset.cameras, run.box.mean(dim=0), times, self.turns), self.fps


@dataclass
class RenderDataset(RenderOptions):
    """See the scene as the capture's cameras do, each at its own time: camera by camera, frame by frame."""

    split: Literal["train", "test"] = "test"
    """Cameras trained on, or cameras to evaluate on."""
    camera: str | None = None
    """One of them alone; by default all."""
    truth: bool = False
    """Put what the camera saw on the left."""
    fps: float = 24.0
    """Pictures a second."""

    def cameras_and_fps(self, run: Any) -> tuple[Any, float]:
        """The cameras of the split."""
        import torch

        Limits(above=0).check("--fps", self.fps)
        return self._dataset(run).cameras[torch.tensor(self._images(run))], self.fps

    def film(self, run: Any, cameras: Any) -> Iterator[Any]:
        """What the cameras see, beside what they saw."""
        from resfields_ns.export.movies import film, ground_truth

        truth = ground_truth(run, self._dataset(run), self._images(run)) if self.truth else None
        return film(run, cameras, self.output, self.scale, truth)

    def _dataset(self, run: Any) -> Any:
        return run.train_dataset if self.split == "train" else run.eval_dataset

    def _images(self, run: Any) -> list[int]:
        sequence = run.sequence if self.split == "train" else run.eval_sequence
        if self.camera is not None and self.camera not in sequence.camera_names:
            names = ", ".join(sequence.camera_names)
            raise ValueError(f"--camera: expected one of {names} of --split {self.split}, found {self.camera!r}")
        names = [image.camera_name for image in sequence.images]
        return [index for index, name in enumerate(names) if self.camera in (None, name)]


@dataclass
class RenderCameraPath(RenderOptions):
    """Follow a camera path saved in nerfstudio's viewer.

    Its cameras' render_time is used; where no camera has one, the sequence runs once over the path.
    """

    camera_path_filename: Path = field(kw_only=True)
    """The path's JSON file; it decides the size and the pictures a second."""

    def cameras_and_fps(self, run: Any) -> tuple[Any, float]:
        """The cameras of the file."""
        from resfields_ns.export.camera_paths import read_camera_path

        del run
        return read_camera_path(self.camera_path_filename)


@dataclass
class RenderAudio:
    """Play a sound as the run has it: a wav file, and a picture of it beside the original (waveforms, spectrograms)."""

    load_config: Path
    """The run's config.yml."""
    output_path: Path
    """The .wav file to write; the picture has its name with .png."""
    residual_scale: float = 1.0
    """Factor on the residual weights; 0 plays what the base weights alone hold."""
    residual_rank: int | None = None
    """Keep the best approximation of this rank of every residual; by default all of it."""

    def main(self) -> None:
        """Write both files and say where they are."""
        from resfields_ns.export.sounds import picture_sounds, signal_to_noise, sound_of, true_sound, write_sound
        from resfields_ns.host.trained_run import load_trained_run

        if self.output_path.suffix != ".wav":
            raise ValueError(f"--output-path: expected a .wav file, found {self.output_path}")
        run = load_trained_run(self.load_config)
        run.show_residuals(self.residual_scale, self.residual_rank)
        found, rate = sound_of(run)
        true = true_sound(run)
        picture = self.output_path.with_suffix(".png")
        self.output_path.parent.mkdir(parents=True, exist_ok=True)
        write_sound(found, rate, self.output_path)
        picture_sounds({**({} if true is None else {"original": true}), "field": found}, rate, picture)
        told = "" if true is None else f", SNR {signal_to_noise(true, found):.2f} dB"
        print(f"Wrote {len(found) / rate:.2f} s to {self.output_path}, and {picture}{told}")


@tyro.conf.configure(tyro.conf.OmitSubcommandPrefixes, tyro.conf.OmitArgPrefixes)
def render(
    movie: Annotated[RenderTime, tyro.conf.subcommand("time")]
    | Annotated[RenderFreeze, tyro.conf.subcommand("freeze")]
    | Annotated[RenderOrbit, tyro.conf.subcommand("orbit")]
    | Annotated[RenderDataset, tyro.conf.subcommand("dataset")]
    | Annotated[RenderCameraPath, tyro.conf.subcommand("camera-path")]
    | Annotated[RenderVideo, tyro.conf.subcommand("video")]
    | Annotated[RenderAudio, tyro.conf.subcommand("audio")],
) -> None:
    """Render a movie of a trained run: mp4, gif, or a folder of png files; of a sound, a wav file.

    Example: rf-render freeze --frame 10 --load-config RUN/config.yml --output-path frozen.mp4

    Args:
        movie: How camera and time move.
    """
    movie.main()


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(render)


def _num_pictures(seconds: float, fps: float) -> int:
    Limits(above=0).check("--seconds", seconds)
    Limits(above=0).check("--fps", fps)
    return max(1, round(seconds * fps))


if __name__ == "__main__":
    entrypoint()
