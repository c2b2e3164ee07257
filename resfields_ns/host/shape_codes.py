"""Codes of the shapes of a run: rows of numbers, of its latent codes and of the coefficients of its residual layers.

A run has a shape for each frame; its rows are all that tells them apart. Or it has several sequences, told apart by a
row of latent codes each, and by a row of coefficients for each frame.
"""

from pathlib import Path

import torch
from nerfstudio.models.base_model import Model
from torch import nn

from resfields_ns.host.checkpoints import load_checkpoint
from resfields_ns.host.old_runs import renewed_state
from resfields_ns.layers import SequenceTable, TimeTable

GROUP = "codes"  # of parameters, which a model with codes of shapes has
_MODEL = "_model."  # before the names of its parameters in a pipeline


def check_codes(model: Model, option: str) -> None:
    """Raise ValueError, naming `option`, for a model whose frames are moments and not shapes."""
    if GROUP not in model.get_param_groups():
        raise ValueError(f"{option}: expected a run with codes of shapes (sdf-codes), found one without")


def code_tables(model: Model) -> dict[str, nn.Parameter]:
    """The tables of a model whose rows are its shapes, sequences or moments, by the names of these parameters."""
    return {f"{name}.table": part.table for name, part in model.named_modules() if isinstance(part, TimeTable)}


@torch.no_grad()
def go_between(model: Model, first: int, second: int) -> None:
    """Let time in [0, 1] run from the codes of one shape straight to those of another.

    Of two sequences, all of the one's moments pass meanwhile, and turn into the other's.
    Raises ValueError for a model without codes, of one shape alone, or without these two.
    """
    check_codes(model, "--between")
    tables = [part for part in model.modules() if isinstance(part, TimeTable)]
    codes = next((part for part in tables if isinstance(part, SequenceTable)), None)
    kind, count = ("shape", len(tables[0].table)) if codes is None else ("sequence", len(codes.table))
    if not max(first, second) < count or min(first, second) < 0:
        raise ValueError(f"--between: expected two of the {kind}s 0 to {count - 1}, found {first} and {second}")
    if count == 1:
        raise ValueError(f"--between: expected a run of two {kind}s or more, found one of a single {kind}")
    device = tables[0].table.device
    shapes = torch.arange(count, device=device) if codes is None else codes.sequence_of_frame
    if codes is not None:
        codes.become_one(codes.table[codes.sequence_of_frame])
    shares = torch.linspace(0.0, 1.0, len(shapes), device=device)
    for part in tables:
        start, end = (TimeTable.at(part, part.table[shapes == of], shares) for of in (first, second))
        part.table.copy_(torch.lerp(start, end, shares[:, None]))


def learn_codes_alone(model: Model, checkpoint: Path) -> None:
    """Give a model the weights of a run that is made alike; they stay, and its codes start at the mean of that run's.

    Raises ValueError if there is no such checkpoint, or it is damaged.
    """
    tables, own = code_tables(model), model.state_dict()
    state = renewed_state(load_checkpoint(checkpoint)["pipeline"])
    taken = {name.removeprefix(_MODEL): value for name, value in state.items() if name.startswith(_MODEL)}
    mean = {name: taken[name].mean(dim=0).expand_as(own[name]) for name in tables}
    model.load_state_dict({**taken, **mean})
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name in tables)


def learnt_groups(groups: dict[str, list[nn.Parameter]]) -> dict[str, list[nn.Parameter]]:
    """What learns of groups of parameters."""
    learnt = {name: [parameter for parameter in group if parameter.requires_grad] for name, group in groups.items()}
    return {name: group for name, group in learnt.items() if group}
