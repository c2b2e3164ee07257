"""What a run adds to the host's viewer."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nerfstudio.viewer.viewer_elements import ViewerControl

from resfields_ns.host.dataparsing import sequence_of
from resfields_ns.viewer.first_view import first_view
from resfields_ns.viewer.frame_shapes import shapes_of
from resfields_ns.viewer.pictures import PicturesOfPage
from resfields_ns.viewer.residual_panel import add_residual_panel
from resfields_ns.viewer.scene_panel import ScenePanel
from resfields_ns.viewer.time_panel import TimePanel

if TYPE_CHECKING:
    from nerfstudio.viewer.viewer import Viewer
    from viser import ClientHandle

BACKGROUNDS = {"white": "white", "black": "black"}


class RunViewer(ViewerControl):
    """For a pipeline to hold: the viewer tells it when it has been built around the pipeline."""

    def _setup(self, viewer: "Viewer") -> None:
        super()._setup(viewer)
        dataset = viewer.pipeline.datamanager.train_dataset
        assert dataset is not None
        sequence = sequence_of(dataset)
        self.view = first_view(sequence)
        shapes = shapes_of(viewer.pipeline.model, sequence.num_frames)
        self.time = TimePanel(viewer, sequence.num_frames, sequence.frames.rate, shapes)
        self.scene = ScenePanel(viewer, self.time)
        add_residual_panel(viewer, sequence.frames.numbers)
        self._run_on_pages()
        viewer.viser_server.on_client_connect(self._welcome)  # after the host's own welcome

    def _welcome(self, client: "ClientHandle") -> None:
        PicturesOfPage(
            self.viewer,
            client,
            is_wanted=lambda: not self.time.pages_play,
            is_rough_wanted=lambda: not self.time.shows_shapes,
            on_sent=self.time.count_picture,
        )
        self.view.show_to(client)

    def _run_on_pages(self) -> None:
        """Give every page, now and later, its script."""
        from viser._messages import RunJavascriptMessage  # viser's own way to bring plotly to pages

        panel: dict[str, Any] = self.time.for_pages() | self.scene.for_pages()
        name = getattr(self.viewer.pipeline.model, "background_name", "white")
        panel["background"] = BACKGROUNDS.get(name, "")
        script = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
        messages = self.viser_server.gui._websock_interface
        messages.queue_message(RunJavascriptMessage(f"({script})(viewer, {json.dumps(panel)})"))
