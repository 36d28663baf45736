"""The page of parameters and outputs, from template.yaml. It needs PyYAML."""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from docs.reference_pages.markdown import default_value, table
from docs.reference_pages.sources import read_text


class _TemplateLoader(yaml.SafeLoader):
    """Reads CloudFormation's short forms (`!Ref X`) as `{"Ref": X}`."""


def _short_form(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    raise yaml.YAMLError(f"!{suffix} is neither a scalar nor a sequence")


_TemplateLoader.add_multi_constructor("!", _short_form)


def template() -> Iterator[str]:
    read = yaml.load(read_text("template.yaml"), _TemplateLoader)  # noqa: S506
    yield from ("# Template", "", read["Description"].strip(), "")
    yield from ("## Parameters", "", '`make deploy PARAMETERS="NAME=VALUE ..."` sets them;')
    yield from ("parameters that are not named keep their value.", "")
    rows = [
        (
            f"`{name}`",
            _allowed(each),
            default_value(each.get("Default")),
            each.get("Description", ""),
        )
        for name, each in read["Parameters"].items()
    ]
    yield from table(("parameter", "values", "default", "description"), rows)
    yield from ("## Outputs", "")
    rows_out = [
        (f"`{name}`", each.get("Condition", ""), each.get("Description", ""))
        for name, each in read["Outputs"].items()
    ]
    yield from table(("output", "condition", "description"), rows_out)


def _allowed(parameter: Mapping[str, Any]) -> str:
    if values := parameter.get("AllowedValues"):
        return ", ".join(f"`{each}`" for each in values)
    least, most = parameter.get("MinValue"), parameter.get("MaxValue")
    if least is not None:
        return f"{least} to {most}" if most is not None else f"{least} or more"
    return str(parameter.get("ConstraintDescription", "")).removeprefix("is ").removesuffix(".")
