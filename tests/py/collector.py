"""Whether a collector's configuration is one: every pipeline names what is declared, what is
declared is used, and each pipeline begins by limiting memory.

Reads the file named on the command line. Only a collector itself knows the keys of its
components; none can be had here.
"""

import sys

import yaml

KINDS = ["receivers", "processors", "exporters"]


def faults(configuration):
    service = configuration["service"]
    used = {kind: set() for kind in KINDS}
    for name, pipeline in service["pipelines"].items():
        if name.split("/")[0] not in ("traces", "metrics", "logs"):
            yield f"pipeline {name} is of no signal"
        for kind in KINDS:
            parts = pipeline.get(kind) or []
            if not parts and kind != "processors":
                yield f"pipeline {name} has no {kind}"
            used[kind].update(parts)
        first = (pipeline.get("processors") or [None])[0]
        if first != "memory_limiter":
            yield f"pipeline {name} does not begin with memory_limiter"
    used["extensions"] = set(service.get("extensions") or [])
    for kind, names in used.items():
        declared = set(configuration.get(kind) or {})
        for name in sorted(names - declared):
            yield f"{kind}: {name} is used and not declared"
        for name in sorted(declared - names):
            yield f"{kind}: {name} is declared and not used"
    policies = configuration["processors"]["tail_sampling"]["policies"]
    for policy in policies:
        if policy["type"] not in policy:
            yield f"policy {policy['name']} says nothing about {policy['type']}"


def attributes(configuration):
    """The span attributes that policies look at, one a line."""
    for policy in configuration["processors"]["tail_sampling"]["policies"]:
        for part in policy.values():
            if isinstance(part, dict) and "key" in part:
                print(part["key"])


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        configuration = yaml.safe_load(file)
    found = list(faults(configuration))
    if found:
        sys.exit("\n".join(found))
    attributes(configuration)


main()
