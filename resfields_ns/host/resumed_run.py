"""A run that was stopped, and goes on to its own end."""

from pathlib import Path

from nerfstudio.utils import comms

from resfields_ns.host.checkpoints import checkpoint_of, hold_run, list_checkpoints, load_checkpoint
from resfields_ns.host.config_file import read_config
from resfields_ns.host.old_runs import check_resumable
from resfields_ns.host.processes import launch_training
from resfields_ns.host.trainer import ResFieldsTrainerConfig


def resume_run(run: Path) -> None:
    """Train on in the folder of a run from its last checkpoint, or anew without one, as if it had not been stopped.

    All options are those of its config.yml, which stays as it is. Raises ValueError if there is no such run, none of
    its checkpoints is intact, or another process trains it.
    """
    path = run / "config.yml"
    config = read_config(path, "RUN")
    if not isinstance(config, ResFieldsTrainerConfig):
        raise ValueError(f"{path}: expected a run of this package's methods, found one of {type(config).__name__}")
    began_in, config.run = config.get_base_dir(), run
    config.set_timestamp()
    if comms.is_main_process():
        hold_run(run)
    if not any(list_checkpoints(folder / config.relative_model_dir) for folder in (run, began_in)):
        print(f"{run}: 0 of {config.max_num_iterations} steps are made")
        launch_training(config)
        return
    began_with = config.load_dir or config.load_checkpoint
    config.load_step = config.load_checkpoint = config.data = None  # the datamanager knows the data
    config.load_dir = config.found_at(run, rendering=False, option=str(run))
    assert config.load_step is not None
    state = load_checkpoint(checkpoint_of(config.load_dir, config.load_step))
    check_resumable(state["pipeline"], str(run))
    if "optimizers" not in state or ("total_steps" not in state and began_with is not None):
        raise ValueError(
            f"{config.load_dir}: expected checkpoints that tell how far their run goes, found others: "
            f"ns-train {config.method_name} --load-dir {config.load_dir} goes on from them"
        )
    total, done = state.get("total_steps", config.max_num_iterations), config.load_step + 1
    print(f"{run}: {done} of {total} steps are made")
    if done < total:
        config.max_num_iterations = total - done
        launch_training(config)
