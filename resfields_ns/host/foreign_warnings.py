"""Warnings of other packages about interfaces of others, of which a user can do nothing.

What -W or PYTHONWARNINGS ask for comes first.
"""

import warnings


def quiet_others() -> None:
    """Show warnings of this package alone, from now on."""
    warnings.filterwarnings("ignore", module=r"(?!resfields_ns\b)", append=True)


def quiet_host() -> None:
    """Do not show warnings of nerfstudio's code, which uses old interfaces of torch, from now on."""
    warnings.filterwarnings("ignore", module=r"nerfstudio\b", append=True)
