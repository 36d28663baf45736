"""Prints the template after the SAM transform: python translate.py SECONDS NAME=VALUE...

SECONDS is the time of the transform since 1970. Needs aws-sam-cli, which includes the translator
that AWS runs.
"""

import json
import os
import sys
import time
from pathlib import Path

from samcli.yamlhelper import yaml_parse
from samtranslator.translator.transform import transform

ROOT = Path(__file__).parents[2]


class NoManagedPolicies:
    """A loader without managed policies; the template uses none."""

    def load(self) -> dict[str, str]:
        return {}


os.environ["AWS_DEFAULT_REGION"] = "us-east-1"
template = yaml_parse((ROOT / "template.yaml").read_text())
template["Globals"]["Function"]["CodeUri"] = (
    "s3://artefacts/function"  # as written by `sam package`
)
for resource in template["Resources"].values():
    if resource["Type"] == "AWS::Serverless::LayerVersion":
        resource["Properties"]["ContentUri"] = "s3://artefacts/layer"
    if resource["Type"] == "AWS::Serverless::StateMachine":
        resource["Properties"]["DefinitionUri"] = "s3://artefacts/definition"
seconds, *given = sys.argv[1:]
time.time = lambda: float(seconds)
parameters = dict(argument.split("=", 1) for argument in given)
print(json.dumps(transform(template, parameters, NoManagedPolicies())))  # noqa: T201
