"""Write bills of materials (CycloneDX 1.6, JSON) of the layer and the local install: `make sbom`.

The same lock files give the same bytes: SOURCE_DATE_EPOCH is the time, by default that of the last
commit, and the serial number is derived from the content.
"""

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from docs.reference_pages import licenses

ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)((?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)


def bill(name: str, lock: str, packages: list[licenses.Package], time: datetime) -> Bom:
    """The bill of the packages that a lock file pins, and of the models."""
    terms = {each.name: each.license for each in packages}
    bom = Bom()
    bom.metadata.timestamp = time
    bom.metadata.component = Component(
        name=name,
        version=_version(),
        type=ComponentType.APPLICATION,
        bom_ref=name,
        licenses=[LicenseExpression("Apache-2.0")],
    )
    text = (ROOT / lock).read_text("utf-8")
    for package, version, rest in _PIN.findall(text):
        hashes = re.findall(r"--hash=sha256:([0-9a-f]{64})", rest)
        purl = PackageURL("pypi", None, package, version)
        bom.components.add(
            Component(
                name=package,
                version=version,
                purl=purl,
                bom_ref=str(purl),
                licenses=[LicenseExpression(terms[package])],
                # One for each platform; a component has one hash of each algorithm.
                properties=[Property(name="imagesearch:sha256", value=each) for each in hashes],
            )
        )
    bom.components.update(_models())
    content = "\n".join([name, text, *sorted(each.name for each in bom.components)])
    bom.serial_number = uuid5(NAMESPACE_URL, content)
    bom.register_dependency(bom.metadata.component, bom.components)
    return bom


def _models() -> Iterator[Component]:
    for name, terms, ships in licenses.models():
        yield Component(
            name=name,
            type=ComponentType.MACHINE_LEARNING_MODEL,
            bom_ref=f"model:{name}",
            licenses=[DisjunctiveLicense(name=terms)],
            hashes=_hashes(name) if ships else (),
            properties=[Property(name="imagesearch:ships", value=str(ships).lower())],
        )


def _hashes(name: str) -> Iterator[HashType]:
    folder = ROOT / f"layers/{name}_model/{name}_model"
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()):
        digest.update(path.name.encode() + hashlib.sha256(path.read_bytes()).digest())
    yield HashType(alg=HashAlgorithm.SHA_256, content=digest.hexdigest())


def _version() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def _time() -> datetime:
    seconds = os.environ.get("SOURCE_DATE_EPOCH")
    if not seconds:
        command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
        seconds = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603
    return datetime.fromtimestamp(int(seconds), UTC)


def main(folder: Path) -> None:
    """Write both bills below a folder. Raises ValueError for a bill that is not valid."""
    packages = licenses.packages()
    folder.mkdir(parents=True, exist_ok=True)
    for name, lock in (
        ("imagesearch-layer", licenses.LAYER),
        ("imagesearch-local", licenses.LOCAL),
    ):
        bom = bill(name, lock, packages, _time())
        writer = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6)
        text = writer.output_as_string(indent=2) + "\n"
        if errors := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
            raise ValueError(errors)
        (folder / f"{name}.cdx.json").write_text(text, "utf-8")
        print(f"{folder / name}.cdx.json: {len(bom.components)} components")  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
