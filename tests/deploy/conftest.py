"""What the tests of `deploy` share: the chart rendered, and the program it is about."""

import functools
import os
import subprocess
from pathlib import Path

import pytest
import yaml

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
CHART = ROOT / "deploy/helm/grantline"
SMALL = ROOT / "deploy/helm/small.yaml"
SALE_NIGHT = ROOT / "deploy/helm/sale-night.yaml"
FULL = HERE / "full.yaml"
NUMBERS = HERE / "numbers.yaml"
PROGRAM = Path(os.environ["GRANTLINE_STATIC_BINARY"])
HELM = "helm"
ROLES = ("ingress", "publisher", "api", "worker-grant", "worker-revoke", "worker-record")

# Every way of installing that is worth a look: values files, and what is set beside them.
SCENARIOS = {
    "default": ((), ()),
    "small": ((SMALL,), ()),
    "sale-night": ((SALE_NIGHT,), ()),
    "full": ((FULL,), ()),
    "keda": ((), ("keda.enabled=true",)),
    "workers by processor time": ((), ("worker.autoscaling.enabled=true",)),
    "maintenance": ((FULL,), ("maintenance={ingress,publisher,api}",)),
    "no migration": ((FULL,), ("migrate.enabled=false",)),
    "no network policies": ((FULL,), ("networkPolicy.enabled=false",)),
    "no external store": ((FULL,), ("externalSecrets.enabled=false",)),
    "no disruption budgets": ((), ("defaults.pdb.enabled=false",)),
    "workers alone": ((), ("ingress.enabled=false", "publisher.enabled=false", "api.enabled=false")),
    "named": ((FULL,), ("fullnameOverride=shop", "nameOverride=shop")),
    "one pod of each": ((), ("defaults.replicas=1",)),
    "names like numbers": ((NUMBERS,), ()),
    "role by role": ((FULL,), ("image.tag=2.0.0", "ingress.image.tag=1.9.0", "workers.grant.image.tag=2.0.1")),
    "other ports": ((FULL,), ("ports.admin=19090", "ports.ingress=18080", "maintenance=null")),
}


# With RabbitMQ's objects a first install is in two steps; see the test of it.
UPGRADED = {FULL, NUMBERS}


def template(files=(), sets=(), upgrade=None, more=()):
    """`helm template`: what it prints, or what it says against it."""
    upgrade = bool(UPGRADED & set(files)) if upgrade is None else upgrade
    arguments = [HELM, "template", "grantline", str(CHART), "--namespace", "shop"]
    arguments += ["--is-upgrade"] * upgrade
    arguments += [word for file in files for word in ("--values", str(file))]
    arguments += [word for text in sets for word in ("--set", text)]
    arguments += more
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


@functools.cache
def render(name):
    """The objects of a scenario."""
    done = template(*SCENARIOS[name])
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def rendered(files=(), sets=()):
    """The objects of other values than those of a scenario."""
    done = template(files, sets)
    assert done.returncode == 0, done.stderr
    return [found for found in yaml.safe_load_all(done.stdout) if found]


def of_kind(objects, *kinds):
    return [found for found in objects if found["kind"] in kinds]


def component(found):
    return found["metadata"]["labels"]["app.kubernetes.io/component"]


def by_component(objects, kind):
    found = {component(each): each for each in of_kind(objects, kind)}
    assert len(found) == len(of_kind(objects, kind)), f"two {kind} of one component"
    return found


def pod_of(workload):
    return workload["spec"]["template"]["spec"]


def container_of(workload):
    (container,) = pod_of(workload)["containers"]
    return container


def environment_of(workload):
    variables = container_of(workload)["env"]
    names = [variable["name"] for variable in variables]
    assert len(names) == len(set(names)), f"a variable is there twice: {names}"
    ours = {each["name"]: each["value"] for each in variables if each["name"].startswith("GRANTLINE__")}
    assert set(names) - set(ours) == {"K8S_POD", "OTEL_RESOURCE_ATTRIBUTES"}
    return ours


def secrets_of(workload):
    """What a pod mounts: path → (Secret, key)."""
    return {
        item["path"]: (source["secret"]["name"], item["key"])
        for volume in pod_of(workload).get("volumes", [])
        for source in volume["projected"]["sources"]
        for item in source["secret"]["items"]
    }


@pytest.fixture(params=SCENARIOS)
def objects(request):
    return render(request.param)
