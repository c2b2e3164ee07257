"""three.js with its loader of glTF and its camera controls, as trimesh brings it for its own viewer (MIT licence)."""

import re

import trimesh
from trimesh.viewer.notebook import scene_to_html

_LAST = "THREE.GLTFLoader=GLTFLoader;})();"


def three_js() -> str:
    """The library as one script, with its licence; it defines `THREE`."""
    page = scene_to_html(trimesh.Scene(trimesh.creation.box()))
    found = re.search(rf"<script>(.*?{re.escape(_LAST)})", page, re.DOTALL)
    if found is None:
        raise RuntimeError(f"expected three.js in the viewer of trimesh, found none in {trimesh.__version__}")
    return found[1]
