"""`rf-export-run`: a trained run as one file for others."""

from pathlib import Path

from resfields_ns.commands.command_line import run_command


def export_run_file(load_config: Path, output_path: Path) -> None:
    """Write a run to one file that others can look at: weights, options, cameras and scene box.

    It holds no code, no pictures and no path of this machine; names of cameras and of picture files are kept, and of
    scene flow the vertices of its meshes, which show it. rf-import makes a run of it again.

    Example: rf-export-run --load-config RUN/config.yml --output-path dancer.safetensors

    Args:
        load_config: The run's config.yml.
        output_path: The .safetensors file to write.
    """
    if output_path.suffix.lower() != ".safetensors":
        raise ValueError(f"--output-path: expected a .safetensors file, got {output_path}")
    from resfields_ns.host.run_file import export_run  # slow to import, and not needed for --help

    export_run(load_config, output_path)
    print(f"Wrote the run to {output_path}")


def entrypoint() -> None:
    """Entry point of the console script."""
    run_command(export_run_file)


if __name__ == "__main__":
    entrypoint()
