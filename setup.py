"""What pyproject.toml cannot say: packages are found, and those of two folders at the root belong to resfields_ns."""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["resfields_ns", "resfields_ns.*"]),
        *(f"resfields_ns.{name}" for name in find_packages(include=["method_configs*", "dataparsers*"])),
    ]
)
