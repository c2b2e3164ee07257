"""What the paper has beside rows of tables: its tables by name, figures and baselines, and what is here of them."""

HEAD = """
# The paper's tables, figures and baselines

What is here of each (Mihajlovic et al., ICLR 2024, and its appendix). Grids with `-small` in their name, and `family`,
are of a size for a CPU; the others are of the paper's, whose data and GPU hours were not at hand. A row that ran has a
record in `benchmarks/results` with config, seed, versions, hardware and commit. Made by `python -m benchmarks.report`.
"""
OUTSIDE = "run by the authors, with its own code; the paper's figures are quoted, nothing of ours"

TABLES = {
    "Table 1": "video approximation",
    "Table 2": "temporal signed distances",
    "Table 3": "dynamic scenes, VolSDF's density",
    "Table 4": "three RGB-D cameras",
    "Table 5": "scene flow",
    "Table 6": "where the residual enters",
    "Table 7": "factorisations",
    "Table A.1": "number of coefficients",
    "Table A.2": "time interpolation",
    "Table A.3": "layers against rank",
    "Table A.4": "unseen pixels",
    "Table A.5": "hash grids of many sizes",
    "Table A.6": "temporal signed distances of each sequence",
    "Table A.7": "dynamic scenes, NeRF's density",
    "Table A.8": "independent segments",
    "Table A.9": "long sequences",
}

FIGURES = (
    (
        "Figure 1",
        "the tasks in pictures",
        "an animated capture, [quickstart.gif](../quickstart.gif)",
        "`rf-render`, README",
    ),
    ("Figure 2", "the residual layer, a drawing", "nothing to run", ""),
    ("Figure 3", "its factorisation, a drawing", "nothing to run", ""),
    (
        "Figure 4",
        "training and test PSNR over steps, and pictures",
        "[curves.png](../figures/curves.png)",
        "`python -m benchmarks.figures curves --data bikes.mp4`",
    ),
    (
        "Figure 5",
        "dynamic scenes by method and residual layers",
        "[methods.png](../figures/methods.png)",
        "`python -m benchmarks.figures methods`",
    ),
    (
        "Table A.3, drawn",
        "layers against rank",
        "[layers.png](../figures/layers.png)",
        "`python -m benchmarks.figures layers`",
    ),
    (
        "Figure A.1",
        "the surface of the base weights alone",
        "[base.png](../figures/base.png): of signed distances, 500 steps; no surface without residuals",
        "`python -m benchmarks.figures base --data ANIMATION.anime`",
    ),
    (
        "Figure A.1",
        "the same of a dynamic scene, beside plain layers",
        "[long.png](../figures/long.png): a long motion; the base weights see the time and move too",
        "`python -m benchmarks.run width-128 --data long`, then `python -m benchmarks.figures long`",
    ),
    ("Figure A.2", "the authors' rig, a photograph", "nothing to run", ""),
    (
        "none of the paper's",
        "held-out quality over seconds of processor",
        "[sooner.png](../figures/sooner.png)",
        "`python -m benchmarks.figures sooner`",
    ),
    (
        "none of the paper's",
        "what residual layers add to a training step, over its sizes",
        "[scaling.png](../figures/scaling.png)",
        "`python -m benchmarks.scaling`, then `python -m benchmarks.figures scaling`",
    ),
)
"""Name, what it shows, what is here, and the command."""

BASELINES: tuple[tuple[str, str, str, tuple[str, str] | None], ...] = (
    ("Siren", "Sitzmann et al. 2020", "`video-resfields`, no residual layers", ("1-small", "^siren-..$")),
    ("Siren, distances", "Sitzmann et al. 2020", "`sdf-resfields`, no residual layers", ("2-small", "_plain$")),
    ("Instant NGP", "Müller et al. 2022", "`video-resfields`, `network hash-grid`", ("1-small", "^ngp$")),
    ("TNeRF", "Li et al. 2022", "`tnerf-resfields`", ("family", "^tnerf.*_plain$")),
    ("DyNeRF", "Li et al. 2022", "`dynerf-resfields`", ("family", "^dynerf.*_plain$")),
    ("D-NeRF", "Pumarola et al. 2021", "`dnerf-resfields`", ("family", "^dnerf.*_plain$")),
    ("Nerfies", "Park et al. 2021", "`nerfies-resfields`", ("family", "^nerfies.*_plain$")),
    ("HyperNeRF", "Park et al. 2021", "`hypernerf-resfields`", ("family", "^hypernerf.*_plain$")),
    ("NDR", "Cai et al. 2022", "`ndr-resfields`", ("family", "^ndr.*_plain$")),
    ("HexPlane", "Cao and Johnson 2023", "`hexplane-resfields`", ("family", "^hexplane.*_plain$")),
    ("Tensor4D", "Shao et al. 2023", "[others](../others.md)", None),
    ("NeuS2", "Wang et al. 2023", "[others](../others.md)", None),
    ("NeRF's density", "Mildenhall et al. 2020", "`density nerf`", ("a7-small", "_plain$")),
    ("offsets", "Prokudin et al. 2023", "`motion offset`", ("5-small", "_offset_plain$")),
    ("SE(3)", "Park et al. 2021", "`motion se3`", ("5-small", "_se3_plain$")),
    ("cosines (DCT)", "Wang et al. 2021", "`motion dct`", ("5-small", "_dct_plain$")),
    ("residual of the output", "Karras et al. 2020", "`residual output`", ("6-small", "^output$")),
    ("modulated weights", "Mehta et al. 2021", "`residual modulated`", ("6-small", "^modulated")),
    ("direct weights", "Hao et al. 2022", "`residual direct`", ("6-small", "^direct")),
    ("no factorisation", "Reiser et al. 2021", "`residual frame-matrices`", ("7-small", "^none")),
    ("matrix-matrix", "Denil et al. 2013", "`residual matrix-matrix`", ("7-small", "^matrix")),
    ("hypernetwork", "Ha et al. 2017", "`residual hypernetwork`", ("7-small", "^hyper")),
    ("CP", "Carroll and Chang 1970", "`residual cp`", ("7-small", "^cp")),
    ("Tucker", "Tucker 1966", "`residual tucker`", ("7-small", "^tucker")),
    ("levels of experts", "Hao et al. 2022", "`residual experts`", ("7-small", "^levels")),
)
"""Name, source, what it is here, and the rows that show it: a table and a pattern of their names."""
