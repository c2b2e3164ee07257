"""ResFields (Mihajlovic et al., ICLR 2024) as a nerfstudio plugin."""

from pathlib import Path

# In a checkout `method_configs/` and `dataparsers/` stand beside this package, at the repository's root.
_checkout = Path(__file__).resolve().parent.parent
if (_checkout / "method_configs").is_dir():
    __path__.append(str(_checkout))
