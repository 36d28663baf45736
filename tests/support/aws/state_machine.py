"""The deployed definitions of the state machines, and a variant of the backfill that moto can run.

moto supports neither ItemBatcher nor express child workflows. So one map reads the listing, batches
are made from its result as ItemBatcher would, and a second map runs standard child workflows. The
reader and all states that check, split, decide, send or retry are run as deployed.
"""

import json
import re
from pathlib import Path
from typing import Any

from tests.support.paths import REPOSITORY

BACKFILL = REPOSITORY / "statemachines/backfill.asl.json"
RECONCILE = REPOSITORY / "statemachines/reconcile.asl.json"


def deployed(definition: Path, **substitutions: str) -> dict[str, Any]:
    """The file with substituted names, as SAM creates it; a missing name is an error."""
    filled = re.sub(r"\$\{(\w+)\}", lambda name: substitutions[name[1]], definition.read_text())
    return json.loads(filled)


def for_moto(definition: dict[str, Any]) -> dict[str, Any]:
    states = definition["States"]
    every = states.pop("Objects")
    reader, batcher = every.pop("ItemReader"), every.pop("ItemBatcher")
    every["ItemProcessor"]["ProcessorConfig"]["ExecutionType"] = "STANDARD"
    every["ItemsPath"] = "$.batches"
    every["ItemSelector"] = {
        "Items.$": "$$.Map.Item.Value",
        "BatchInput": batcher["BatchInput"],
    }
    cut = f"States.ArrayPartition($.listing, {batcher['MaxItemsPerBatch']})"
    states["Objects"] = {
        "Type": "Map",
        "ItemReader": reader,
        "ItemSelector": {
            "Key.$": "$$.Map.Item.Value.Key"
        },  # otherwise the result exceeds the limit
        "MaxConcurrency": 50,
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            "StartAt": "Object",
            "States": {"Object": {"Type": "Pass", "End": True}},
        },
        "ResultPath": "$.listing",
        "Next": "Cut",
    }
    states["Cut"] = {
        "Type": "Pass",
        "Parameters": {
            "input.$": "$.input",
            "nextModelQueue.$": "$.nextModelQueue",
            "batches.$": cut,
        },
        "Next": "Every",
    }
    states["Every"] = every
    return definition
