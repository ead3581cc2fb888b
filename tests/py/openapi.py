"""Holds what the listeners answer against the document that describes them.

Reads from standard input, in JSON: `document` (its URL), `listeners` (for each tag of the
document its `url` and the `authorization` it takes, or the `secret` that signs), `ids` (for
each name in a path something that exists) and `bodies` (by operation).

First every operation is asked for what exists and must answer 2xx, as described. Then
schemathesis sends what it can think of, good and bad, the same each time.
"""

import json
import os
import subprocess
import sys
import tempfile
import urllib.request

import schemathesis
from schemathesis.specs.openapi.checks import ignored_auth

import signed

DOCUMENT = "openapi.json"
EXAMPLES = 40

SHAPE = [
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
]
MANNERS = [
    "not_a_server_error",
    "negative_data_rejection",
    "positive_data_acceptance",
    "unsupported_method",
    "allow_header_conformance",
    "ignored_auth",
]
CHECKS = {
    "api": SHAPE + MANNERS,
    "publisher": SHAPE + MANNERS,
    # Whatever is signed is taken, and 503 is how the rest is refused: Xsolla would take
    # what these checks expect as final, and give the money back.
    "ingress": SHAPE,
    # Not ready is 503.
    "admin": SHAPE + MANNERS[1:],
}


def ask(operation, listener, ids, bodies):
    """Asks one operation for what exists."""
    names = [parameter.name for parameter in operation.path_parameters]
    values = {"path_parameters": {name: ids[name] for name in names}}
    body = bodies.get(operation.definition.raw["operationId"])
    if body is not None:
        values |= {"body": body, "media_type": "application/json"}
    if "authorization" in listener:
        values["headers"] = {"authorization": listener["authorization"]}
    auth = signed.Signed(listener["secret"]) if "secret" in listener else None
    case = operation.Case(**values)
    # That check takes every key that it did not make up for a wrong one.
    answer = case.call_and_validate(
        base_url=listener["url"], auth=auth, excluded_checks=[ignored_auth]
    )
    assert 200 <= answer.status_code < 300, (operation.label, answer.status_code, answer.text)


def fuzz(folder, tag, listener):
    """Runs schemathesis against one listener."""
    environment = dict(os.environ)
    command = [
        os.path.join(os.path.dirname(sys.executable), "schemathesis"),
        "run", DOCUMENT,
        "--url", listener["url"],
        "--include-tag", tag,
        "--checks", ",".join(CHECKS[tag]),
        "--phases", "coverage,fuzzing",
        "--max-examples", str(EXAMPLES),
        "--generation-deterministic",
        "--continue-on-failure",
        "--request-timeout", "10",
        "--no-color",
    ]  # fmt: skip
    if "authorization" in listener:
        command += ["--header", f"Authorization:{listener['authorization']}"]
    if "secret" in listener:
        environment |= {
            signed.SECRET: listener["secret"],
            "PYTHONPATH": os.path.dirname(__file__),
            "SCHEMATHESIS_HOOKS": "signed",
        }
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def main():
    given = json.load(sys.stdin)
    listeners = given["listeners"]
    with urllib.request.urlopen(given["document"], timeout=10) as answer:
        document = json.load(answer)
    asked = set()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        operation = result.ok()
        [tag] = operation.tags
        ask(operation, listeners[tag], given["ids"], given["bodies"])
        asked.add(tag)
    assert asked == set(listeners), f"described are {asked}"
    # A made-up project goes no further than the check that it is configured.
    for name in ["project", "project_id"]:
        schema = document["components"]["parameters"][name]["schema"]
        schema["enum"] = [given["ids"][name]]
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, DOCUMENT), "w") as file:
            json.dump(document, file)
        for tag, listener in listeners.items():
            run = fuzz(folder, tag, listener)
            print(f"--- {tag}\n{run.stdout}{run.stderr}")
            if run.returncode:
                failed.append(tag)
    sys.exit(f"not as described: {', '.join(failed)}" if failed else 0)


main()
