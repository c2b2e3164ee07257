"""Models of what hangs in space as a picture: videos, drawings of sounds, waves on a plane."""

from abc import ABC

from jaxtyping import Float
from torch import Tensor

from resfields_ns.fields.value_field import Hanging, ValueField
from resfields_ns.functional.intersections import intersect_picture
from resfields_ns.functional.segments import TimedPoints
from resfields_ns.models.coordinate_model import CoordinateModel, Hits


class PictureModel(CoordinateModel, ABC):
    """Cameras see the picture that the field's quantity makes, see `functional/intersections.py`."""

    field: ValueField

    @property
    def picture(self) -> Hanging:
        """What the field tells the colours of."""
        assert isinstance(self.field.quantity, Hanging)
        return self.field.quantity

    def colours(self, points: TimedPoints) -> Float[Tensor, "points 3"]:
        """What is seen at (row, column) in [-1, 1], not clamped."""
        return self.picture.colours(self.field, points)

    def find_hits(
        self, origins: Float[Tensor, "rays 3"], directions: Float[Tensor, "rays 3"], times: Float[Tensor, "rays"]
    ) -> Hits:
        """The picture's colours where rays meet it."""
        picture = self.picture
        hit, distances, coordinates = intersect_picture(origins, directions, picture.height, picture.width)
        rgb = self.colours(TimedPoints.from_times(coordinates[hit], times[hit]))
        return Hits(hit.nonzero()[:, 0], distances[hit], rgb)
