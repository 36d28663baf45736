"""template.yaml as data, and as CloudFormation evaluates it for the parameters of a deployment.

`!Ref X` is loaded as {"Ref": "X"} and `!Sub x` as {"Fn::Sub": "x"}.
"""

import re
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import yaml

from tests.support.paths import REPOSITORY

PSEUDO_PARAMETERS = {
    "AWS::AccountId": "123456789012",
    "AWS::Partition": "aws",
    "AWS::Region": "eu-west-1",
    "AWS::StackId": "arn:aws:cloudformation:eu-west-1:123456789012:stack/imagesearch/"
    "0f1e2d3c-0a1b-11f0-8c2d-0123456789ab",
    "AWS::StackName": "imagesearch",
    "AWS::URLSuffix": "amazonaws.com",
}
NO_VALUE = object()


class _Loader(yaml.SafeLoader):
    """Parses the short forms of intrinsic functions."""


def _intrinsic(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)
    if suffix == "GetAtt":
        value = value.split(".")
    return {suffix if suffix in ("Ref", "Condition") else f"Fn::{suffix}": value}


_Loader.add_multi_constructor("!", _intrinsic)


@cache
def load_template() -> dict[str, Any]:
    """The template, which callers must not change."""
    text = (REPOSITORY / "template.yaml").read_text()
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with CloudFormation's tags


class Deployment:
    """The template with these parameters; those that are not given have their defaults.

    `physical` has the references (`ImageBucket`) and attributes (`ImageBucket.Arn`) of resources;
    others resolve to their own name.
    """

    def __init__(self, physical: Mapping[str, str] | None = None, **parameters: object) -> None:
        self.template = load_template()
        self._physical = physical or {}
        declared = self.template["Parameters"]
        assert parameters.keys() <= declared.keys(), parameters.keys() - declared.keys()
        defaults = {name: each["Default"] for name, each in declared.items() if "Default" in each}
        values = {"Release": "0" * 40} | defaults | parameters
        self._parameters = {name: str(value) for name, value in values.items()}

    def invalid_parameters(self) -> list[str]:
        """The names of the parameters whose own constraints refuse their values."""
        return [
            name
            for name, declared in self.template["Parameters"].items()
            if not _is_valid(self._parameters[name], declared)
        ]

    def broken_rules(self) -> list[str]:
        """The names of the rules with an assertion that does not hold.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/rules-section-structure.html
        """
        return [
            name
            for name, rule in self.template["Rules"].items()
            if self.resolve(rule.get("RuleCondition", True))
            and not all(self.resolve(each["Assert"]) for each in rule["Assertions"])
        ]

    def exists(self, resource: str) -> bool:
        condition = self.template["Resources"][resource].get("Condition")
        return condition is None or self._condition(condition)

    def properties(self, resource: str) -> dict[str, Any]:
        resolved: dict[str, Any] = self.resolve(self.template["Resources"][resource]["Properties"])
        return resolved

    def resolve(self, value: Any) -> Any:
        """A value with its intrinsic functions evaluated, without what resolves to no value."""
        if isinstance(value, list):
            return [each for each in map(self.resolve, value) if each is not NO_VALUE]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if function := self._functions().get(name):
                return function(argument)
        resolved = {name: self.resolve(each) for name, each in value.items()}
        return {name: each for name, each in resolved.items() if each is not NO_VALUE}

    def _functions(self) -> dict[str, Callable[[Any], Any]]:
        resolve = self.resolve
        return {
            "Ref": self._reference,
            "Condition": self._condition,
            "Fn::GetAtt": lambda path: self._reference(".".join(path)),
            "Fn::Sub": self._substitute,
            "Fn::If": self._if,
            "Fn::Equals": lambda pair: str(resolve(pair[0])) == str(resolve(pair[1])),
            "Fn::Not": lambda one: not resolve(one[0]),
            "Fn::And": lambda every: all(map(resolve, every)),
            "Fn::Or": lambda every: any(map(resolve, every)),
            "Fn::Contains": lambda pair: str(resolve(pair[1])) in map(str, resolve(pair[0])),
            "Fn::Split": lambda pair: resolve(pair[1]).split(pair[0]),
            "Fn::Select": lambda pair: resolve(pair[1])[int(pair[0])],
            "Fn::FindInMap": self._find_in_map,
        }

    def _condition(self, name: str) -> bool:
        return bool(self.resolve(self.template["Conditions"][name]))

    def _if(self, choice: list[Any]) -> Any:
        condition, then, otherwise = choice
        return self.resolve(then if self._condition(condition) else otherwise)

    def _reference(self, name: str) -> Any:
        if name == "AWS::NoValue":
            return NO_VALUE
        known = PSEUDO_PARAMETERS | self._parameters | dict(self._physical)
        return known.get(name, name)

    def _substitute(self, argument: Any) -> str:
        text, names = argument if isinstance(argument, list) else (argument, {})
        values = self.resolve(names)

        def value(match: re.Match[str]) -> str:
            name = match[1]
            return str(values[name] if name in values else self._reference(name))

        return re.sub(r"\$\{([\w:.]+)\}", value, text)

    def _find_in_map(self, path: list[Any]) -> Any:
        found: Any = self.template["Mappings"]
        for key in map(self.resolve, path):
            found = found[key]
        return found


def _is_valid(value: str, declared: Mapping[str, Any]) -> bool:
    if "AllowedValues" in declared and value not in map(str, declared["AllowedValues"]):
        return False
    if "AllowedPattern" in declared and not re.fullmatch(declared["AllowedPattern"], value):
        return False
    if declared["Type"] != "Number":
        return True
    if not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return False
    low, high = declared.get("MinValue", float(value)), declared.get("MaxValue", float(value))
    return bool(low <= float(value) <= high)
