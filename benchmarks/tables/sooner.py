"""What is seen how soon: methods on one capture, evaluated on their way."""

from benchmarks.captures import CAPTURE_COLUMNS
from benchmarks.table import Column, Row, Table
from resfields_ns.fields.dynamic_field import DynamicFieldConfig
from resfields_ns.fields.parts import AmbientOptions

SMALL, GRID = "tnerf-resfields-small", "grid-resfields-small"
MODEL = "pipeline.model."
SHOWN = {"pipeline.chamfer_resolution": 64, f"{MODEL}sampler.num_picture_samples": 8}
AT_SURFACE = {
    "pipeline.datamanager.train_num_rays_per_batch": 1024,
    f"{MODEL}sampler.num_samples": 12,
    f"{MODEL}sampler.num_surface_samples": 6,
}
HEXPLANE = DynamicFieldConfig(
    ambient=AmbientOptions(kind="hexplane"),
    encoding="none",
    num_layers=3,
    skip_layers=(),
    activation="relu",
    residual_layers=(1, 2, 3),
)
SETTINGS = {
    SMALL: (SMALL, {}),
    "samples at the surface": (SMALL, {"max_num_iterations": 1000, **AT_SURFACE}),
    "HexPlane's field": (SMALL, {"preset": None, f"{MODEL}field": HEXPLANE}),
    GRID: (GRID, {}),
    f"{GRID}, plain layers": (GRID, {f"{MODEL}field.residual_layers": ()}),
}

TABLES = (
    Table(
        name="sooner",
        title="What is seen how soon",
        text="""One run each; seconds hold start-up and the hull's fit, but no evaluation. Chamfer with 64 cells a side.
DATA is the capture of `rf-demo-data`, or any other.""",
        label_columns=("setting",),
        columns=(*CAPTURE_COLUMNS, Column("processor, s", "results.processor_s", ".0f", "lower")),
        rows=tuple(Row((name,), method, SHOWN | changes) for name, (method, changes) in SETTINGS.items()),
        looks=3,
    ),
)
