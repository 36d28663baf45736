"""The deployed definition of the backfill, and the same as far as moto must be told otherwise.

moto's interpreter knows neither ItemBatcher nor express children. So one map reads the listing, the
batches are cut from its result as ItemBatcher would, and a second map runs their children, which
are standard ones. The reader, and all that checks, splits, decides, sends or retries, is run as it
is deployed.
"""

import json
import re
from typing import Any

from tests.support.paths import REPOSITORY

DEFINITION = REPOSITORY / "statemachines/backfill.asl.json"


def deployed(**substitutions: str) -> dict[str, Any]:
    """What SAM makes of the file; a name that is not given is an error."""
    filled = re.sub(r"\$\{(\w+)\}", lambda name: substitutions[name[1]], DEFINITION.read_text())
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
        "ItemSelector": {"Key.$": "$$.Map.Item.Value.Key"},  # or the result is over the limit
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
