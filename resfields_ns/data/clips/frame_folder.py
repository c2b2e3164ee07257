"""A folder of pictures."""

from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from resfields_ns.data.clips.clip import Clip, Picture, rgb_picture
from resfields_ns.data.image_files import check_size, image_size, list_frames


class FrameFolder(Clip):
    """png or jpg files, one a frame, in the order of their names.

    Raises:
        ValueError: if there is none, or they differ in size
    """

    def __init__(self, path: Path) -> None:
        self.files = list(list_frames(path).values())
        first = self.files[0]
        size = image_size(first)
        for file in self.files[1:]:
            check_size(file, image_size(file), size, first.name)
        with Image.open(first) as image:
            super().__init__(path, size, len(self.files), image.mode)

    def pictures(self, frames: list[int]) -> Iterator[Picture]:
        """Read frames, given in ascending order."""
        for frame in frames:
            file = self.files[frame]
            try:
                with Image.open(file) as image:
                    picture = rgb_picture(image)
            except (OSError, SyntaxError) as error:  # Pillow raises both for broken png files
                raise ValueError(f"{file}: expected a picture, found a broken file ({error})") from None
            yield picture
