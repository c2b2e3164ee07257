"""A grid of two runs that take seconds, of which one fails."""

from benchmarks.table import Column, Row, Table
from resfields_ns.models.samplers import SamplerConfig

SIZE = {
    "max_num_iterations": 3,
    "pipeline.chamfer_resolution": 8,
    "pipeline.datamanager.train_num_rays_per_batch": 16,
    "pipeline.model.sampler": SamplerConfig(num_samples=4),
    "pipeline.model.field.hidden_dim": 64,
}

TABLES = (
    Table(
        name="tiny",
        title="Tiny",
        text="Two rows.",
        label_columns=("method", "layers"),
        columns=(Column("PSNR", "results.psnr"), Column("s/step", "seconds_per_step", ".4f", "lower")),
        rows=(
            Row(("TNeRF", "1, 2"), "tnerf-resfields", SIZE | {"pipeline.model.field.residual_layers": (1, 2)}),
            Row(("TNeRF", "no capture"), "tnerf-resfields", SIZE, {"PSNR": 26.18}, data="nowhere"),
        ),
        looks=2,
    ),
)
