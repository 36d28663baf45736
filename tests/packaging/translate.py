"""Prints the template after the SAM transform for each line of standard input.

A line is JSON: {"at": seconds since 1970 of the transform, "parameters": {name: value}}; so is each
response. Needs aws-sam-cli, which includes the translator that AWS runs.
"""

import json
import os
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = Path(__file__).parents[2]


class NoManagedPolicies:
    """A loader without managed policies; the template uses none."""

    def load(self) -> dict[str, str]:
        return {}


def packaged() -> dict[str, Any]:
    """The template as written by `sam package`."""
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text())
    template["Globals"]["Function"]["CodeUri"] = "s3://artefacts/function"
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::LayerVersion":
            resource["Properties"]["ContentUri"] = "s3://artefacts/layer"
        if resource["Type"] == "AWS::Serverless::StateMachine":
            resource["Properties"]["DefinitionUri"] = "s3://artefacts/definition"
    return template


def main() -> None:
    os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
    template = packaged()
    for line in sys.stdin:
        request = json.loads(line)
        time.time = lambda at=request["at"]: float(at)
        result = transform(deepcopy(template), request["parameters"], NoManagedPolicies())
        print(json.dumps(result), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
