"""ResFields (Mihajlovic et al., ICLR 2024) as a nerfstudio plugin."""

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

# In a checkout `method_configs/` and `dataparsers/` stand beside this package, at the repository's root.
_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file():
    for _folder in ("method_configs", "dataparsers"):
        _spec = spec_from_file_location(f"{__name__}.{_folder}", _root / _folder / "__init__.py")
        assert _spec is not None and _spec.loader is not None
        _package = globals()[_folder] = sys.modules[_spec.name] = module_from_spec(_spec)
        _spec.loader.exec_module(_package)
