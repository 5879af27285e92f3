"""Kedro's context, with faults in the configuration told in one line each."""

import reprlib
from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import yaml
from kedro.framework.context import KedroContext
from kedro.framework.project import pipelines
from kedro.validation import ParameterValidationError
from kedro.validation.parameter_validator import ParameterValidator
from kedro.validation.utils import resolve_nested_dict_path
from pydantic import BaseModel, ValidationError

from mrisynth_pipeline.pipelines.slot import SlotParameters


def model_problems(group: str, model: type[BaseModel], value: Any) -> list[str]:
    """Every fault of one parameter group, each led by the option's full name.

    Args:
        group: Name of the group, such as ``codebrain.stage1``.
        model: The group's class.
        value: What the configuration says.
    """
    try:
        model.model_validate(value)
    except ValidationError as error:
        problems = []
        for fault in error.errors(include_url=False, include_context=False):
            option = ".".join([group, *(str(part) for part in fault["loc"])])
            if fault["type"] == "extra_forbidden":
                problems.append(f"{option}: there is no such option{_suggestion(model, fault['loc'])}")
            elif fault["type"] == "value_error":  # of our own validators, which name their options themselves
                problems.append(fault["msg"].removeprefix("Value error, "))
            else:
                problems.append(
                    f"{option}: {fault['msg'][0].lower()}{fault['msg'][1:]} (given: {reprlib.repr(fault['input'])})"
                )
        return problems
    return []


def _suggestion(model: type[BaseModel], location: tuple[int | str, ...]) -> str:
    """The option of the group, or of a group inside it, whose name is most like the misspelt one."""
    paths = {path.rpartition(".")[2]: path for path in _options(model)}
    close = get_close_matches(str(location[-1]), paths, n=1)
    return f"; did you mean {paths[close[0]]}?" if close else ""


def _options(model: type[BaseModel]) -> Iterator[str]:
    """Names of all options of a group, those of inner groups with their path."""
    for name, field in model.model_fields.items():
        yield name
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from (f"{name}.{inner}" for inner in _options(field.annotation))


def unknown_groups(parameters: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """Groups of parameters that nothing reads: Kedro would pass over them without a word.

    Args:
        parameters: The configuration of a run.
        known: That of ``conf/base``, which names every group. A group that holds nothing but groups, such as
            ``codebrain``, is looked into; what is inside the others is for their classes to judge.
    """
    problems = []
    for name, value in parameters.items():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            problems.append(f"{name}: there is no such group" + (f"; did you mean {close[0]}?" if close else ""))
        elif isinstance(value, dict) and all(isinstance(inner, dict) for inner in known[name].values()):
            problems += [f"{name}.{problem}" for problem in unknown_groups(value, known[name])]
    return problems


class PlainContext(KedroContext):
    """Names the option that is wrong, what is wrong with it and, where one is near, the right name."""

    _groups_are_known: bool = False

    @property
    def params(self) -> dict[str, Any]:
        """The parameters, validated by the types of the nodes that take them.

        Raises:
            click.ClickException: If a parameter is wrong; the command line prints it and exits with 1.
        """
        problems = [] if self._groups_are_known else self._group_problems(self.config_loader["parameters"])
        if not problems:
            self._groups_are_known = True  # Kedro asks several times, and reading them takes a second
            try:
                return super().params
            except ParameterValidationError as error:
                problems = self._model_problems(self.config_loader["parameters"]) or [str(error)]
        raise click.ClickException("Wrong parameters:\n" + "\n".join(f"  {problem}" for problem in problems))

    def _group_problems(self, parameters: dict[str, Any]) -> list[str]:
        """What no node's type would find."""
        problems = unknown_groups(parameters, self._known_groups())
        return problems + model_problems("stage1", SlotParameters, parameters.get("stage1", {}))  # no node takes it

    def _known_groups(self) -> dict[str, Any]:
        """The parameters of ``conf/base``, and what globals can be set from the command line like a parameter."""
        # Not by a second loader: its resolvers, which are global to the process, would take the place of the first's.
        loader, known = self.config_loader, {}
        for path in sorted(Path(loader.conf_source, loader.base_env).rglob("parameters*.yml")):
            known |= yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        return loader["globals"] | known

    def _model_problems(self, parameters: dict[str, Any]) -> list[str]:
        """What Kedro's validation has found, taken apart."""
        chosen = {name: pipelines[name] for name in self._pipelines_to_validate or pipelines}
        models = ParameterValidator(chosen).type_extractor.extract_types_from_pipelines()
        return [
            problem
            for group, model in models.items()
            if isinstance(model, type) and issubclass(model, BaseModel)
            for problem in model_problems(group, model, resolve_nested_dict_path(parameters, group))
        ]
