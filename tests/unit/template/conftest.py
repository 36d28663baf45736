"""template.yaml as data: `!Ref X` is {"Ref": "X"} and `!Sub x` is {"Fn::Sub": "x"}."""

from typing import Any

import pytest
import yaml

from tests.support.paths import REPOSITORY

ROOT = REPOSITORY


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


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    text = (ROOT / "template.yaml").read_text()
    return yaml.load(text, _Loader)  # noqa: S506 - a SafeLoader with CloudFormation's tags


@pytest.fixture(scope="session")
def resources(template) -> dict[str, Any]:
    return template["Resources"]


@pytest.fixture(scope="session")
def of_type(resources):
    """The properties of the resources of one type, by logical id."""

    def of_type(kind: str) -> dict[str, Any]:
        found = {
            name: each["Properties"] for name, each in resources.items() if each["Type"] == kind
        }
        assert found, f"the template has no {kind}"
        return found

    return of_type


@pytest.fixture(scope="session")
def functions(template, of_type) -> dict[str, Any]:
    """The functions with their Globals."""
    shared = template["Globals"]["Function"]
    return {name: shared | each for name, each in of_type("AWS::Serverless::Function").items()}


OF_SERVICE = {
    "AWS/SQS": {"QueueName"},
    "AWS/Lambda": {"FunctionName"},
    "AWS/States": {"StateMachineArn"},
    "AWS/ApiGateway": {"ApiName", "Stage"},
    "AWS/ES": {"DomainName", "ClientId"},
}
