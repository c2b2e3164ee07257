"""Long runs and large data: what they hold in memory.

    python -m benchmarks.long_runs steps -- tnerf-resfields-small --data CAPTURE --max-num-iterations 20000
"""

import sys

import tyro
from nerfstudio.scripts import train

from benchmarks.memory import resident_mb
from resfields_ns.host.trainer import ResFieldsTrainer


def steps(arguments: tyro.conf.Positional[tuple[str, ...]], every: int = 1000) -> None:
    """Train, and tell the memory on the way.

    Args:
        arguments: those of `ns-train`
        every: steps from one look to the next
    """
    iterate = ResFieldsTrainer.train_iteration

    def told(self: ResFieldsTrainer, step: int):
        if step % every == 0 or step == self.total_steps - 1:
            held = ", ".join(f"{megabytes:.1f} MB {kind}" for kind, megabytes in resident_mb().items())
            print(f"LONG step {step}: {held}", flush=True)
        return iterate(self, step)

    ResFieldsTrainer.train_iteration = told
    sys.argv = ["ns-train", *arguments]
    train.entrypoint()


if __name__ == "__main__":
    tyro.extras.subcommand_cli_from_dict({"steps": steps})
