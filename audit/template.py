"""Compare the findings of checkov on template.yaml with those that audit/findings.yaml explains.

`make audit` runs it: exit status 1 if a finding has no explanation, or an explanation no finding.
"""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
EXPLANATIONS = ROOT / "audit/findings.yaml"


def run_checkov(template: Path) -> dict[str, Any]:
    """The report of checkov, which finds no network to be needed."""
    command = [str(Path(sys.executable).with_name("checkov")), "--file", str(template)]
    options = ["--framework", "cloudformation", "--compact", "--quiet", "--output", "json"]
    done = subprocess.run([*command, *options], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode not in (0, 1):
        raise SystemExit(done.stderr)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def findings(report: Mapping[str, Any]) -> dict[str, set[str]]:
    """The logical IDs of the resources that fail a check, by the ID of the check."""
    found: dict[str, set[str]] = defaultdict(set)
    for each in report["results"]["failed_checks"]:
        found[each["check_id"]].add(each["resource"].rpartition(".")[2])
    return dict(found)


def explained(text: str) -> dict[str, set[str]]:
    """The resources of each explanation, by the ID of the check."""
    return {check: set(each["resources"]) for check, each in yaml.safe_load(text).items()}


def differences(found: Mapping[str, set[str]], known: Mapping[str, set[str]]) -> Iterator[str]:
    """A line for each finding without explanation, and for each explanation without finding."""
    nothing: set[str] = set()
    for check in sorted(found.keys() | known.keys()):
        for resource in sorted(found.get(check, nothing) - known.get(check, nothing)):
            yield f"{check} of {resource} is not explained: fix it, or explain it"
        for resource in sorted(known.get(check, nothing) - found.get(check, nothing)):
            yield f"{check} of {resource} is explained and no longer found: remove it"


def main() -> None:
    report = run_checkov(ROOT / "template.yaml")
    found = findings(report)
    lines = list(differences(found, explained(EXPLANATIONS.read_text("utf-8"))))
    for line in lines:
        print(line)  # noqa: T201
    if lines:
        raise SystemExit(1)
    count = sum(map(len, found.values()))
    print(f"{report['summary']['passed']} checks passed, {count} findings explained")  # noqa: T201


if __name__ == "__main__":
    main()
