"""Every object is one that the API server, or the operator it is for, would take."""

import functools
import json
import subprocess

import jsonschema
import kubernetes_validate
import pytest
import yaml
from conftest import CHART, FULL, HELM, HERE, SALE_NIGHT, SCENARIOS, SMALL, render, template
from kubernetes_validate import utils

# The oldest that the chart takes, one in between, the newest there is a schema of.
KUBERNETES = ("1.30", "1.34", "1.37")
MODELLED = ("keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io", "external-secrets.io")
# No published model was found: a schema of our own, after the operators' documentation.
OURS = "rabbitmq.com"

# The schemas of one version are 10 MB, and each validation reads them anew.
utils.schema_contents = functools.cache(utils.schema_contents)


def group(found):
    return found["apiVersion"].partition("/")[0]


def fault_of(found, version):
    try:
        kubernetes_validate.validate(found, version, strict=True)
    except jsonschema.ValidationError as fault:
        where = "/".join(map(str, fault.path))
        return f"{version}: {found['kind']} {found['metadata']['name']} {where}: {fault.message}"
    return None


def unique(scenarios):
    """Each object once, whatever number of scenarios it is in."""
    found = {json.dumps(each, sort_keys=True): each for name in scenarios for each in render(name)}
    return list(found.values())


def known_to_kubernetes():
    return [each for each in unique(SCENARIOS) if group(each) not in (*MODELLED, OURS)]


@pytest.mark.parametrize("version", KUBERNETES)
def test_kubernetes_takes_every_object(version):
    found = known_to_kubernetes()
    assert len(found) > 100
    assert not [fault for each in found if (fault := fault_of(each, version))]


def models(objects):
    program = ["node", str(HERE / "models.mjs")]
    done = subprocess.run(program, input=json.dumps(objects), capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1) and not done.stderr, done.stderr
    return [line for line in done.stdout.splitlines() if line]


def test_operators_take_every_object_of_theirs():
    found = [each for each in unique(SCENARIOS) if group(each) in MODELLED]
    kinds = {each["kind"] for each in found}
    assert {"ScaledObject", "TriggerAuthentication", "PodMonitor", "HTTPRoute", "ExternalSecret"} <= kinds
    assert not models(found)


def test_the_models_refuse_what_is_wrong():
    found = next(each for each in render("full") if each["kind"] == "ScaledObject")
    wrong = json.loads(json.dumps(found))
    wrong["spec"]["triggers"][0]["metadatas"] = {}
    wrong["spec"]["minReplicaCount"] = "1"
    faults = "\n".join(models([found, wrong]))
    assert "metadatas" in faults and "minReplicaCount" in faults, faults


def test_rabbitmqs_operators_take_every_object_of_theirs():
    schemas = yaml.safe_load((HERE / "rabbitmq.yaml").read_text())
    found = [each for each in unique(SCENARIOS) if group(each) == OURS]
    assert {each["kind"] for each in found} == set(schemas)
    for each in found:
        jsonschema.validate(each, schemas[each["kind"]])


@pytest.mark.parametrize("files", [(), (SMALL,), (SALE_NIGHT,), (FULL,)])
def test_helm_finds_nothing_to_say(files):
    values = [word for file in files for word in ("--values", str(file))]
    done = subprocess.run(
        [HELM, "lint", "--strict", str(CHART), *values], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("scenario", ["default", "full", "maintenance"])
def test_what_an_installation_says_can_be_said(scenario):
    """`helm template` passes over NOTES.txt."""
    files, sets = SCENARIOS[scenario]
    # A first install with RabbitMQ's objects is in two steps.
    sets += ("rabbitmq.cluster.enabled=false", "rabbitmq.users.enabled=false")
    more = [f"--values={file}" for file in files] + [f"--set={text}" for text in sets]
    install = [HELM, "install", "grantline", str(CHART), "--namespace", "shop", "--dry-run=client"]
    done = subprocess.run([*install, *more], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("\nNOTES:\n")[2]
    assert "How long a pod may take to leave" in notes
    assert ("NO PROJECT IS CONFIGURED" in notes) == (scenario == "default")
    assert ("MAINTENANCE" in notes) == (scenario == "maintenance")


@pytest.mark.parametrize(
    "wrong",
    [
        "nobody=1",
        "ingress.replica=2",
        "worker.replicas=0",
        "workers.grant.enabled=false",
        "workers.refund.replicas=1",
        "config.worker.drain_timeout=1m",
        "config.admin.listen=0.0.0.0:1",
        "projects.game.config.rehearsal=true",
        "projects.44056.config.rehearse=true",
        "projects.44056.secrets.webhook_secrets[0]=s3cret",
        "apiKeys.ops.rights={root}",
        "maintenance={worker}",
        "networkPolicy.to.redis.ports={6379}",
        "workers.grant.autoscaling.min=0",
        "api.pdb.maxUnavailable=0",
        "api.pdb.maxUnavailable=0%",
        "api.image.pullPolicy=Always",
        "worker.image.digest=1.9.0",
    ],
)
def test_values_that_mean_nothing_are_refused(wrong):
    done = template(sets=(wrong,))
    assert done.returncode != 0, "nobody minded"
    assert "values don't meet the specifications" in done.stderr, done.stderr
