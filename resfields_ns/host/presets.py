"""Methods as presets of options, and what a user changes in them to no effect.

`ns-train METHOD` starts from the preset of a method. What a preset sets may lie idle beside what the user chooses, but
what the user sets must act.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from nerfstudio.engine.trainer import TrainerConfig
from nerfstudio.plugins.types import MethodSpecification
from tyro.conf import Suppress

from resfields_ns.host.external_methods import quicken_catalogue
from resfields_ns.options import Options, Setting, as_typed, check_tree, dashed, settings

_PRESETS: dict[str, TrainerConfig] = {}
_DATAPARSER = "pipeline.datamanager.dataparser."  # the prefix that the host's command line leaves out


@dataclass
class PresetTrainerConfig(Options, TrainerConfig):
    """A trainer's config that remembers the method that it was made from; without one, it is free."""

    preset: Suppress[str | None] = None
    """Name of the method."""

    def check_options(self) -> None:
        """Raise ValueError for options out of bounds, and for those that a user set to no effect."""
        super().check_options()
        for setting in self._changed():
            if self.load_config is not None and setting.path != "load_config":
                raise _idle(setting, f"load-config replaces all options by those of {self.load_config}")
            if setting.obstacle is not None:
                raise _idle(setting, setting.obstacle)

    def check_data(self, missing: Mapping[str, str]) -> None:
        """Raise ValueError for options that a user set to no effect, as the data lack what they need.

        `missing` says of what they lack ('masks') where it would be.
        """
        for setting in self._changed():
            needed = setting.traits.data
            if needed is not None and needed in missing and setting.value:
                raise _idle(setting, f"{missing[needed]} has no {needed}")

    def outlasting(self, steps: int) -> list[str]:
        """A line for every schedule that a run of so many steps does not see the end of."""
        return [
            f"{_typed_name(setting.path)} is {setting.value}, and the run ends at step {steps}: "
            f"{setting.traits.outlasts}."
            for setting in settings(self, self)
            if setting.traits.outlasts is not None and setting.obstacle is None and setting.value >= steps
        ]

    def setup(self, **kwargs: Any) -> Any:
        """Build the trainer; options may have been set since they were checked."""
        check_tree(self)
        return super().setup(**kwargs)

    def _changed(self) -> Iterator[Setting]:
        preset = _PRESETS.get(self.preset or "")
        if preset is not None:
            yield from (setting for setting in settings(self, preset) if setting.changed and setting.path != "preset")


def method_specification(config: PresetTrainerConfig, description: str) -> MethodSpecification:
    """A method that the host can register, whose config is its preset."""
    quicken_catalogue()  # which the host makes once it has loaded all methods
    assert config.method_name is not None
    _PRESETS[config.method_name] = deepcopy(config)
    return MethodSpecification(config=replace(config, preset=config.method_name), description=description)


def _idle(setting: Setting, why: str) -> ValueError:
    return ValueError(
        f"{_typed_name(setting.path)}: expected {as_typed(setting.preset)}, as it does nothing while {why}, "
        f"got {as_typed(setting.value)}"
    )


def _typed_name(path: str) -> str:
    return "--" + dashed(path.removeprefix(_DATAPARSER))
