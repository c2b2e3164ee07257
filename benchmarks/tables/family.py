"""Tables 3 and A.7 at a size for a CPU: every dynamic method without and with residual layers, equal steps."""

from typing import Any

from benchmarks.table import Column, Row, Table
from resfields_ns.models.samplers import SamplerConfig

WIDTH, LAYERS, RANK, CODE, STEPS, HULL_STEPS, RAYS, SAMPLES, LEARNING_RATE = 48, 4, 10, 8, 2000, 300, 384, 24, 1e-3

SIZE = {
    "max_num_iterations": STEPS,
    "optimizers.field.optimizer.lr": LEARNING_RATE,
    "pipeline.datamanager.train_num_rays_per_batch": RAYS,
    "pipeline.datamanager.background_margin": 0.025,
    "pipeline.model.sampler": SamplerConfig(kind="occupancy", num_samples=SAMPLES),
    "pipeline.model.initial_beta": 0.01,
    "pipeline.model.eikonal_fraction": 0.25,
    "pipeline.model.hull_start_steps": HULL_STEPS,
    "pipeline.model.field.rank": RANK,
    "pipeline.model.field.hidden_dim": WIDTH,
    "pipeline.model.field.feature_dim": WIDTH,
    "pipeline.model.field.skip_layers": (),
}
WINDOW = {"pipeline.model.window_steps": 0}
CODES = {"pipeline.model.field.condition.dim": CODE}
WARP = {"pipeline.model.field.warp.hidden_dim": WIDTH}

PARTS: dict[str, tuple[int, dict[str, Any]]] = {
    "tnerf": (LAYERS, WINDOW),
    "dynerf": (LAYERS, WINDOW | CODES),
    "dnerf": (LAYERS, WINDOW | WARP),
    "nerfies": (LAYERS, WINDOW | CODES | WARP),
    "hypernerf": (LAYERS, WINDOW | CODES | WARP),
    "ndr": (LAYERS, WINDOW | CODES | WARP),
    "hexplane": (3, {}),
}
"""Hidden layers of a method, and its sizes beside those that all have."""

PAPER: dict[str, tuple[tuple[float, ...], tuple[float, ...]]] = {
    "tnerf": ((26.18, 0.9418, 17.2), (27.55, 0.9545, 14.2)),
    "dynerf": ((23.59, 0.9195, 31.0), (25.54, 0.9400, 19.6)),
    "dnerf": ((23.36, 0.9209, 32.1), (27.89, 0.9567, 14.0)),
    "nerfies": ((24.35, 0.9315, 23.2), (27.72, 0.9557, 13.8)),
    "hypernerf": ((26.84, 0.9494, 16.0), (27.64, 0.9550, 14.2)),
    "ndr": ((26.78, 0.9482, 15.3), (27.81, 0.9556, 14.2)),
    "hexplane": ((24.71, 0.9262, 20.9), (25.79, 0.9374, 17.6)),
}
"""Table 3, mean of four captures: PSNR, SSIM, Chamfer; plain, and residual in every hidden layer."""


def _row(method: str, residual: bool) -> Row:
    layers, sizes = PARTS[method]
    layers_of = {
        "pipeline.model.field.num_layers": layers,
        "pipeline.model.field.residual_layers": tuple(range(1, layers)) if residual else (),
    }
    return Row(
        labels=(f"{method}-resfields", "residual" if residual else "plain"),
        method=f"{method}-resfields",
        overrides=SIZE | sizes | layers_of,
        paper=dict(zip(("PSNR", "SSIM", "Chamfer L1 x 1000"), PAPER[method][residual], strict=True)),
    )


def training_psnr(pipeline: Any, every: int = 10) -> dict[str, float]:
    """Mean PSNR of every tenth training image."""
    dataset, values = pipeline.datamanager.train_dataset, []
    pipeline.eval()
    for image in range(0, len(dataset), every):
        outputs = pipeline.model.get_outputs_for_camera(dataset.cameras[image : image + 1].to(pipeline.device))
        values.append(pipeline.model.get_image_metrics_and_images(outputs, dataset[image])[0]["psnr"])
    return {"training_psnr": sum(values) / len(values)}


TABLES = (
    Table(
        name="family",
        title="The dynamic family, small (the shape of Table 3)",
        text=f"""
Every method without and with residual layers, on one capture of an animated fox (4 training cameras, 1 orbiting test
camera, 50 frames of 160 x 160), equal steps and seeds. The size, equal for all rows: width {WIDTH}, {LAYERS} hidden
layers (HexPlane keeps its own three), rank {RANK}, codes of {CODE}, {STEPS} steps of {RAYS} rays x {SAMPLES} samples
after {HULL_STEPS} steps from the masks' hull, learning rate {LEARNING_RATE}. Two runs at a time: seconds a step are
coarse. The paper's figures are means over four captures of 100 frames, width 128, 400,000 steps.""",
        label_columns=("method", "layers"),
        columns=(
            Column("PSNR", "results.psnr"),
            Column("PSNR, training cameras", "results.training_psnr"),
            Column("SSIM", "results.ssim", ".4f"),
            Column("Chamfer L1 x 1000", "results.chamfer_l1_x1000", ".1f", "lower"),
            Column("s/step", "seconds_per_step", ".3f", "lower"),
            Column("peak memory, GB", "peak_memory_gb", ".2f", "lower"),
        ),
        rows=tuple(_row(method, residual) for method in PARTS for residual in (False, True)),
        more_metrics=training_psnr,
    ),
)
