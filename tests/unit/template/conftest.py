"""The parts of template.yaml."""

from typing import Any

import pytest

from tests.support.aws.template import load_template


@pytest.fixture(scope="session")
def template() -> dict[str, Any]:
    return load_template()


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
