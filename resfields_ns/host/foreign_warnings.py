"""Warnings of other packages about interfaces of others, of which a user can do nothing.

What is asked for by -W or PYTHONWARNINGS stays as it was.
"""

import sys
import warnings


def quiet_others() -> None:
    """Show warnings of this package alone, from now on."""
    _ignore(r"(?!resfields_ns\b)")


def quiet_host() -> None:
    """Do not show warnings of nerfstudio's code, which uses old interfaces of torch, from now on."""
    _ignore(r"nerfstudio\b")


def _ignore(modules: str) -> None:
    if not sys.warnoptions:
        warnings.filterwarnings("ignore", module=modules)
