"""What the chart promises beyond objects that are well formed."""

import functools
import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from conftest import (
    CHART,
    FULL,
    ROLES,
    ROOT,
    SALE_NIGHT,
    SCENARIOS,
    SMALL,
    by_component,
    component,
    container_of,
    environment_of,
    of_kind,
    pod_of,
    render,
    rendered,
    secrets_of,
    template,
)


def workloads(objects):
    return of_kind(objects, "Deployment", "Job")


def test_every_role_runs_and_every_queue_has_its_worker():
    deployments = by_component(render("default"), "Deployment")
    assert set(deployments) == set(ROLES)
    for name, found in deployments.items():
        role, _, lane = name.partition("-")
        expected = [role, "--kinds", lane] if lane else [role]
        assert container_of(found)["args"] == expected
    images = {container_of(found)["image"] for found in workloads(render("full"))}
    assert len(images) == 1 and images.pop().startswith("registry.example/grantline@sha256:")


def test_nothing_runs_with_a_right_it_does_not_need(objects):
    for found in workloads(objects):
        pod = pod_of(found)
        assert pod["automountServiceAccountToken"] is False
        assert pod["enableServiceLinks"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        security = pod["securityContext"]
        assert security["runAsNonRoot"] is True
        assert security["runAsUser"] == security["runAsGroup"] == 65532
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
        for volume in pod.get("volumes", []):
            assert set(volume) == {"name", "projected"}, "only secrets are mounted, read-only"


def seconds_in(path, name):
    """A bound of the program, as its source has it."""
    text = (ROOT / path).read_text()
    (found,) = re.findall(rf"const {name}: Duration = Duration::from_secs\((\d+)\);", text)
    return int(found)


@functools.cache
def finish():
    return seconds_in("crates/app/src/roles.rs", "GRACE")


@functools.cache
def leave():
    """What comes after a drain, at most."""
    return (
        seconds_in("crates/lifecycle/src/lib.rs", "ABORT_LIMIT")
        + seconds_in("crates/app/src/commands/serve.rs", "CLOSE_TIMEOUT")
        + seconds_in("crates/telemetry/src/lib.rs", "FLUSH_LIMIT")
    )


def drain(found):
    """How long the program may drain with the environment of this pod; see roles.rs."""
    environment = environment_of(found)
    seconds = lambda name: int(environment[name].removesuffix("s"))
    match container_of(found)["args"][0]:
        case "worker":
            return max(finish(), seconds("GRANTLINE__WORKER__DRAIN_TIMEOUT"))
        case "publisher":
            return finish() + seconds("GRANTLINE__PUBLISHER__DRAIN_SPREAD")
        case _:
            return finish()


def grace_is_enough(found):
    container = container_of(found)
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    grace = pod_of(found)["terminationGracePeriodSeconds"]
    assert grace > before + drain(found) + leave(), component(found)
    return grace


def test_a_pod_is_killed_later_than_its_drain_ends(objects):
    for found in of_kind(objects, "Deployment"):
        grace_is_enough(found)


def test_who_gets_requests_leaves_its_endpoints_first(objects):
    for found in of_kind(objects, "Deployment"):
        served = "http" in [port["name"] for port in container_of(found)["ports"]]
        assert served == ("lifecycle" in container_of(found)), component(found)


@pytest.mark.parametrize(
    ("role", "setting"),
    [
        ("worker-grant", "config.worker.drain_timeout=300s"),
        ("worker-grant", "workers.grant.config.worker.drain_timeout=300s"),
        ("publisher", "publisher.config.publisher.drain_spread=300s"),
        ("ingress", "ingress.preStopSeconds=300"),
    ],
)
def test_the_grace_period_follows_what_it_is_made_of(role, setting):
    before = grace_is_enough(by_component(render("default"), "Deployment")[role])
    after = grace_is_enough(by_component(rendered(sets=(setting,)), "Deployment")[role])
    assert after > before + 200


def test_probes_ask_the_port_that_the_program_is_told(objects):
    for found in of_kind(objects, "Deployment"):
        container = container_of(found)
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        environment = environment_of(found)
        assert environment["GRANTLINE__ADMIN__LISTEN"] == f"0.0.0.0:{ports['admin']}"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            assert container[probe]["httpGet"]["port"] == "admin"
        role = container["args"][0]
        listen = environment.get(f"GRANTLINE__{role.upper()}__LISTEN")
        assert listen == (f"0.0.0.0:{ports['http']}" if "http" in ports else None)


# Of `full.yaml`: which secrets are whose, and no role's more.
EVERYBODY = {"ledger.url", "ledger.tls.ca", "broker.url", "broker.tls.ca"}
OWN = {
    "ingress": {
        "projects.44056.webhook_secrets.0",
        "projects.44056.webhook_secrets.1",
        "projects.44056.order_webhook_secrets.0",
        "projects.44056.studio.authorization",
        "projects.44056.quarantine.key",
        "projects.44057.webhook_secrets.0",
    },
    "publisher": {"projects.44056.publisher.secret", "projects.44056.publisher.previous_secret"},
    "api": {"api.keys.game_server.secret", "api.keys.support.secret"},
    "worker": {"claim.url"},
    "migrate": {"broker.management_url"},
}


def test_a_role_mounts_its_own_secrets_and_no_other():
    found = {component(each): each for each in workloads(render("full"))}
    assert set(found) == {*ROLES, "migrate"}
    for name, each in found.items():
        mounted = secrets_of(each)
        assert set(mounted) == EVERYBODY | OWN[name.partition("-")[0]], name
        told = set(re.findall(r"/etc/grantline/secrets/([^\"\s]+)", " ".join(environment_of(each).values())))
        assert told == set(mounted), f"{name}: a file that nobody reads, or none that is read"
    assert secrets_of(found["ingress"])["ledger.url"] == ("ledger-reader", "url")
    assert secrets_of(found["migrate"])["ledger.url"] == ("ledger-owner", "url")
    assert secrets_of(found["api"])["ledger.url"] == ("ledger", "url")


def test_no_secret_is_in_the_environment(objects):
    for found in workloads(objects):
        for name, value in environment_of(found).items():
            assert not re.search(r"(SECRETS?|__URL|__KEYS?|AUTHORIZATION|__CA)$", name) or "STUDIO__URL" in name, name
            assert "@" not in value, name


def test_the_external_store_fills_what_it_is_named_for():
    found = {each["metadata"]["name"]: each for each in of_kind(render("full"), "ExternalSecret")}
    keys = {name: {entry["secretKey"] for entry in each["spec"]["data"]} for name, each in found.items()}
    assert keys == {
        "ledger": {"url"},
        "ledger-owner": {"url"},
        "broker": {"url"},
        "xsolla": {"new", "old"},
        "keda": {"host"},
    }
    for name, each in found.items():
        ahead = "helm.sh/hook" in each["metadata"].get("annotations", {})
        assert ahead == (name in {"ledger-owner", "broker"}), "the migration cannot wait for it"
        assert (each["spec"]["target"]["creationPolicy"] == "Orphan") == ahead, "pods mount it"
    assert not of_kind(render("no external store"), "ExternalSecret")


def weight(found):
    return int(found["metadata"]["annotations"]["helm.sh/hook-weight"])


def test_the_migration_comes_before_everything_and_finds_what_it_needs():
    hooks = [each for each in render("full") if "helm.sh/hook" in each["metadata"].get("annotations", {})]
    assert {each["metadata"]["annotations"]["helm.sh/hook"] for each in hooks} == {"pre-install,pre-upgrade"}
    (job,) = of_kind(hooks, "Job")
    assert container_of(job)["args"] == ["migrate"]
    assert pod_of(job)["restartPolicy"] == "Never"
    assert "serviceAccountName" not in pod_of(job), "it would not be there yet"
    assert all(weight(each) < weight(job) for each in hooks if each is not job)
    assert {each["kind"] for each in hooks} == {"Job", "ExternalSecret", "NetworkPolicy"}


def bounds(objects):
    """Fewest and most pods of each component."""
    found = {}
    for name, each in by_component(objects, "Deployment").items():
        replicas = each["spec"].get("replicas")
        found[name] = (replicas, replicas)
    for each in of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        spec, name = each["spec"], component(each)
        assert spec["scaleTargetRef"]["name"].endswith(name)
        low, high = (
            (spec["minReplicas"], spec["maxReplicas"])
            if each["kind"] == "HorizontalPodAutoscaler"
            else (spec["minReplicaCount"], spec["maxReplicaCount"])
        )
        assert found[name] == (low, low), f"{name}: with no number, switching the scaler on leaves one pod"
        found[name] = (low, high)
    return found


def test_nothing_scales_to_zero_and_nobody_scales_what_is_fixed(objects):
    for name, (low, high) in bounds(objects).items():
        assert low is not None and 1 <= low <= high, name


def test_a_disruption_budget_lets_a_node_be_drained(objects):
    budgets = by_component(objects, "PodDisruptionBudget")
    deployments = by_component(objects, "Deployment")
    for name, (low, _) in bounds(objects).items():
        if name not in budgets:
            continue
        spec = budgets[name]["spec"]
        assert spec["selector"] == deployments[name]["spec"]["selector"]
        assert spec.get("maxUnavailable", 1) >= 1
        assert spec.get("minAvailable", 0) < low, f"{name}: no pod could ever be evicted"


def test_a_budget_that_blocks_every_drain_is_refused():
    done = template(sets=("ingress.replicas=2", "ingress.pdb.minAvailable=2"))
    assert done.returncode != 0 and "leaves none to evict" in done.stderr
    assert template(sets=("ingress.replicas=3", "ingress.pdb.minAvailable=2")).returncode == 0


def test_a_rollout_never_has_fewer_pods_than_before(objects):
    for found in of_kind(objects, "Deployment"):
        assert found["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
        spread = pod_of(found)["topologySpreadConstraints"]
        assert {each["topologyKey"] for each in spread} == {
            "topology.kubernetes.io/zone",
            "kubernetes.io/hostname",
        }
        for each in spread:
            assert each["labelSelector"] == found["spec"]["selector"]
            assert each["nodeTaintsPolicy"] == "Honor", "a tainted node would be a place that lacks a pod"


def leaving(found):
    """How long a pod is at it as a rule: preStop, and a publisher's players."""
    before = container_of(found).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    spread = environment_of(found).get("GRANTLINE__PUBLISHER__DRAIN_SPREAD", "0s")
    return before + int(spread.removesuffix("s"))


def test_the_next_pod_leaves_when_one_has_left(objects):
    for found in of_kind(objects, "Deployment"):
        ready = found["spec"]["minReadySeconds"]
        assert ready == leaving(found) + 5, component(found)
        assert found["spec"]["progressDeadlineSeconds"] > ready, "the API server refuses it"


def test_the_time_between_pods_follows_the_drain_unless_it_is_said():
    of = lambda *sets: by_component(rendered(sets=sets), "Deployment")["publisher"]["spec"]["minReadySeconds"]
    assert of() == 60
    assert of("config.publisher.drain_spread=300s") == of("publisher.config.publisher.drain_spread=300s") == 315
    assert of("publisher.preStopSeconds=20") == 70
    assert of("publisher.minReadySeconds=7") == 7


@pytest.mark.parametrize("scenario", ["default", "small", "sale-night"])
def test_no_pod_waits_for_a_host_of_its_own(scenario):
    for found in of_kind(render(scenario), "Deployment"):
        for each in pod_of(found)["topologySpreadConstraints"]:
            assert each["whenUnsatisfiable"] == "ScheduleAnyway", component(found)


def test_two_roles_may_be_of_two_versions():
    images = {component(each): container_of(each)["image"] for each in workloads(render("role by role"))}
    # The digest of `full.yaml` is of all, and whoever has a tag of its own has no digest.
    of_all = container_of(by_component(render("full"), "Deployment")["api"])["image"]
    assert images == dict.fromkeys((*ROLES, "migrate"), of_all) | {
        "ingress": "registry.example/grantline:1.9.0",
        "worker-grant": "registry.example/grantline:2.0.1",
    }
    sets = ("image.tag=2.0.0", "worker.image.digest=sha256:" + 64 * "1", "workers.record.image.tag=1.9.0", "api.image.repository=a/b")
    images = {component(each): container_of(each)["image"] for each in workloads(rendered(sets=sets))}
    assert images == {
        **dict.fromkeys(("ingress", "publisher", "migrate"), "grantline:2.0.0"),
        **dict.fromkeys(("worker-grant", "worker-revoke"), "grantline@sha256:" + 64 * "1"),
        "worker-record": "grantline:1.9.0",
        "api": "a/b:2.0.0",
    }


def test_a_name_like_a_number_stays_a_name():
    objects = render("names like numbers")
    mounted = secrets_of(by_component(objects, "Deployment")["worker-grant"])
    assert mounted == {"ledger.url": ("2024", "44056"), "broker.url": ("1e3", "0x10"), "claim.url": ("2024", "true")}
    (external,) = of_kind(objects, "ExternalSecret")
    assert (external["metadata"]["name"], external["spec"]["secretStoreRef"]["name"]) == ("2024", "7")
    assert external["spec"]["data"] == [{"secretKey": "44056", "remoteRef": {"key": "1"}}]
    (authentication,) = of_kind(objects, "TriggerAuthentication")
    assert authentication["spec"]["secretTargetRef"] == [{"parameter": "host", "name": "2024", "key": "1.0"}]
    hosts = {"ingress": "*.game.example", "publisher": "1.2", "api": "3"}
    for name, found in by_component(objects, "Ingress").items():
        assert found["spec"]["rules"][0]["host"] == hosts[name]
        assert found["spec"]["tls"] == [{"hosts": [hosts[name]], "secretName": "2024"}]
        assert found["spec"]["ingressClassName"] == "1"
    for name, found in by_component(objects, "HTTPRoute").items():
        assert found["spec"]["hostnames"] == [hosts[name]]
    (vhost,) = of_kind(objects, "Vhost")
    assert vhost["spec"]["name"] == "1" and vhost["spec"]["rabbitmqClusterReference"] == {"name": "7"}
    assert {each["spec"]["vhost"] for each in of_kind(objects, "Permission")} == {"1"}
    for found in of_kind(objects, "Deployment"):
        assert pod_of(found)["priorityClassName"] == "1"
        assert found["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "2024"


@pytest.mark.parametrize("part", ["cluster", "users"])
def test_a_first_install_that_could_not_end_is_refused(part):
    wanted = f"rabbitmq.{part}.enabled=true"
    done = template(sets=(wanted,))
    assert done.returncode != 0 and "In two steps" in done.stderr and "migrate.enabled=false" in done.stderr
    assert template(sets=(wanted, "migrate.enabled=false")).returncode == 0
    assert template(sets=(wanted,), upgrade=True).returncode == 0


def test_a_scaled_worker_counts_what_is_held_and_asks_for_none_while_merely_busy():
    for scenario in ("full", "keda", "sale-night"):
        found = by_component(render(scenario), "ScaledObject")
        assert set(found) == {name for name in ROLES if name.startswith("worker")}
        for name, each in found.items():
            (trigger,) = each["spec"]["triggers"]
            metadata = trigger["metadata"]
            assert metadata["protocol"] == "http" and metadata["excludeUnacknowledged"] == "false"
            assert metadata["queueName"] == f"grantline.{name.removeprefix('worker-')}.v1"
            environment = environment_of(by_component(render(scenario), "Deployment")[name])
            held = int(environment["GRANTLINE__WORKER__LANES"]) * int(environment["GRANTLINE__WORKER__PREFETCH"])
            # As the test of scaling reckons.
            times = yaml.safe_load((CHART / "values.yaml").read_text())["keda"]["timesHeld"]
            assert times >= 2 and int(metadata["value"]) == times * held
            assert each["spec"]["fallback"]["replicas"] >= each["spec"]["minReplicaCount"]
            (authentication,) = of_kind(render(scenario), "TriggerAuthentication")
            assert trigger["authenticationRef"]["name"] == authentication["metadata"]["name"]


def test_without_keda_processor_time_scales_the_workers():
    scenario = render("workers by processor time")
    scaled = {component(each) for each in of_kind(scenario, "HorizontalPodAutoscaler")}
    assert scaled == {name for name in ROLES if name.startswith("worker")}
    assert not of_kind(scenario, "ScaledObject", "TriggerAuthentication")


@pytest.mark.parametrize(
    "wrong", ["ingress.autoscaling.cpu=0", "ingress.resources.requests=null", "publisher.resources.requests.memory=null"]
)
def test_a_scaler_that_could_measure_nothing_is_refused(wrong):
    done = template(sets=("ingress.autoscaling.enabled=true", "publisher.autoscaling.enabled=true", wrong))
    assert done.returncode != 0 and "autoscaling" in done.stderr


class Cluster(BaseHTTPRequestHandler):
    """As much of an API server as Helm asks for: which kinds there are, and how many pods run."""

    KINDS = {
        "v1": ["Service"],
        "apps/v1": ["Deployment"],
        "autoscaling/v2": ["HorizontalPodAutoscaler"],
        "batch/v1": ["Job"],
        "networking.k8s.io/v1": ["NetworkPolicy"],
        "policy/v1": ["PodDisruptionBudget"],
    }
    RUNNING = {"grantline-ingress": 9, "grantline-publisher": 1}

    def answer(self, path):
        if path == "/version":
            return {"major": "1", "minor": "34", "gitVersion": "v1.34.0"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            versions = [{"groupVersion": each, "version": each.split("/")[1]} for each in self.KINDS if "/" in each]
            groups = [{"name": each["groupVersion"].split("/")[0], "versions": [each]} for each in versions]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version in self.KINDS:
            named = [(kind, re.sub(r"y$", "ie", kind.lower()) + "s") for kind in self.KINDS[version]]
            resources = [{"name": name, "kind": kind, "namespaced": True, "verbs": ["get"]} for kind, name in named]
            return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        name = path.rpartition("/")[2]
        if path.startswith("/apis/apps/v1/namespaces/shop/deployments/") and name in self.RUNNING:
            spec = {"replicas": self.RUNNING[name]}
            return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec}
        return None

    def do_GET(self):
        found = self.answer(self.path.partition("?")[0])
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        body = json.dumps(found or missing).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def test_an_upgrade_keeps_the_pods_that_a_scaler_made():
    with ThreadingHTTPServer(("127.0.0.1", 0), Cluster) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sets = ("ingress.autoscaling.enabled=true", "publisher.autoscaling.enabled=true", "worker.autoscaling.enabled=true")
        address = f"http://127.0.0.1:{server.server_port}"
        more = ["--dry-run=server", "--disable-openapi-validation", "--kube-apiserver", address]
        done = template(sets=sets, upgrade=True, more=more)
        server.shutdown()
    assert done.returncode == 0, done.stderr
    deployments = by_component([each for each in yaml.safe_load_all(done.stdout) if each], "Deployment")
    # What runs; the scaler's minimum where less does; the same where nothing does yet.
    found = {name: each["spec"]["replicas"] for name, each in deployments.items()}
    assert found == dict.fromkeys(ROLES, 2) | {"ingress": 9}


@pytest.mark.parametrize("role", ["publisher", "workers.grant"])
def test_a_scaler_with_no_room_is_refused(role):
    done = template(sets=("keda.enabled=true", "publisher.autoscaling.enabled=true", f"{role}.autoscaling.min=11"))
    assert done.returncode != 0 and "more than autoscaling.max" in done.stderr


# What PostgreSQL has left for us, as the comments of the files say.
@pytest.mark.parametrize(("file", "connections"), [(SMALL, 147), (SALE_NIGHT, 497)])
def test_the_database_has_a_connection_for_every_pod_there_may_be(file, connections):
    objects = rendered(files=(file,))
    deployments = by_component(objects, "Deployment")
    of = lambda name: int(environment_of(deployments[name])["GRANTLINE__LEDGER__MAX_CONNECTIONS"])
    # One that a rollout makes, and one that leaves and has not yet closed its own.
    needed = sum((high + 2) * of(name) for name, (_, high) in bounds(objects).items())
    assert needed < connections, needed
    (said,) = re.findall(r"^# +(\d+)   and 1 of a migration$", file.read_text(), re.MULTILINE)
    assert needed == int(said), "the arithmetic of the comment"


def selects(selector, found):
    labels = found["spec"]["template"]["metadata"]["labels"]
    return selector.items() <= labels.items()


def test_a_service_reaches_the_pods_of_its_role():
    for scenario in SCENARIOS:
        deployments = by_component(render(scenario), "Deployment")
        for name, service in by_component(render(scenario), "Service").items():
            selector = service["spec"]["selector"]
            assert selector, "without a selector the last endpoints stay"
            reached = [role for role, each in deployments.items() if selects(selector, each)]
            assert reached == ([] if scenario == "maintenance" else [name])


def test_maintenance_takes_only_the_roles_it_names_away():
    objects = rendered(sets=("maintenance={ingress}",))
    deployments = by_component(objects, "Deployment")
    services = by_component(objects, "Service")
    reached = {name for name, each in services.items() if selects(each["spec"]["selector"], deployments[name])}
    assert reached == {"publisher", "api"}
    assert set(deployments) == set(ROLES), "workers go on"


def test_a_gateway_answers_no_path_by_itself():
    """A 404 of the gateway would be a refusal of a paid order."""
    for found in of_kind(render("full"), "Ingress"):
        (rule,) = found["spec"]["rules"]
        (path,) = rule["http"]["paths"]
        assert (path["path"], path["pathType"]) == ("/", "Prefix")
        assert path["backend"]["service"]["name"] == found["metadata"]["name"]
    for found in of_kind(render("full"), "HTTPRoute"):
        (rule,) = found["spec"]["rules"]
        assert rule["matches"] == [{"path": {"type": "PathPrefix", "value": "/"}}]
    hosts = {component(each): each["spec"]["rules"][0]["host"] for each in of_kind(render("full"), "Ingress")}
    assert set(hosts) == {"ingress", "publisher", "api"}


def test_a_websocket_is_not_cut_by_the_gateway():
    routes = by_component(render("full"), "HTTPRoute")
    (rule,) = routes["publisher"]["spec"]["rules"]
    assert rule["timeouts"] == {"request": "0s", "backendRequest": "0s"}
    (rule,) = routes["ingress"]["spec"]["rules"]
    # Above `ingress.deadline`, so that it is Grantline that answers.
    assert int(rule["timeouts"]["request"].removesuffix("s")) > 2.5
    annotations = by_component(render("full"), "Ingress")["publisher"]["metadata"]["annotations"]
    assert int(annotations["nginx.ingress.kubernetes.io/proxy-read-timeout"]) >= 3600
    assert annotations["example.com/waf"] == "on"


def ports_to(policy):
    return {port["port"] for rule in policy["spec"]["egress"] for port in rule["ports"]}


def test_a_role_reaches_what_it_needs_and_nothing_else():
    policies = by_component(render("full"), "NetworkPolicy")
    base, broker = {53, 5432, 4318}, {5671, 5672}
    assert {name: ports_to(each) for name, each in policies.items()} == {
        "ingress": base | broker | {443},
        "publisher": base | broker,
        "api": base | broker,
        "worker-grant": base | broker | {6379, 6380},
        "worker-revoke": base | broker | {6379, 6380},
        "worker-record": base | broker | {6379, 6380},
        "migrate": base | {15671, 15672},
    }
    for name, each in policies.items():
        assert each["spec"]["policyTypes"] == ["Ingress", "Egress"]
        coming = {port["port"] for rule in each["spec"]["ingress"] for port in rule["ports"]}
        served = {"admin", "http"} if name in ("ingress", "publisher", "api") else {"admin"}
        assert coming == (set() if name == "migrate" else served)
        assert all(rule["from"] for rule in each["spec"]["ingress"]), "an empty list is everybody"
    assert not any(6379 in ports_to(each) for each in by_component(render("default"), "NetworkPolicy").values())


@pytest.mark.parametrize(
    ("endpoint", "port"),
    [("http://a:4318", 4318), ("https://a/v1", 443), ("https://a:8443/v1", 8443), ("http://a", 80), ("http://[::1]", 80)],
)
def test_a_role_reaches_what_it_alone_is_told_of(endpoint, port):
    sets = (
        f"api.config.telemetry.otlp_endpoint={endpoint}",
        "workers.grant.secrets.claim.url.secret=claim",
        "workers.grant.secrets.claim.url.key=url",
    )
    base = {name: ports_to(each) for name, each in by_component(render("default"), "NetworkPolicy").items()}
    told = {name: ports_to(each) for name, each in by_component(rendered(sets=sets), "NetworkPolicy").items()}
    more = {name: told[name] - base[name] for name in told if told[name] != base[name]}
    assert more == {"api": {port}, "worker-grant": {6379, 6380}}
    said = rendered(sets=(*sets, "networkPolicy.to.collector.ports={14318}"))
    assert 14318 in ports_to(by_component(said, "NetworkPolicy")["api"])


def test_an_empty_list_of_peers_lets_nobody_in():
    objects = rendered(sets=("networkPolicy.from.gateway=null", "networkPolicy.from.monitoring=null"))
    assert by_component(objects, "NetworkPolicy")["ingress"]["spec"]["ingress"] in ([], None)


def test_rules_and_dashboards_are_the_files_of_the_repository():
    rules = {path.stem: path for path in (ROOT / "deploy/prometheus/rules").glob("*.yaml")}
    boards = {path.name: path.read_text() for path in (ROOT / "deploy/grafana").glob("*.json")}
    found = {each["metadata"]["name"] for each in of_kind(render("full"), "PrometheusRule")}
    assert found == {f"grantline-{stem}" for stem in rules}
    found = {}
    for each in of_kind(render("full"), "ConfigMap"):
        assert each["metadata"]["labels"]["grafana_dashboard"] == "1"
        found |= each["data"]
    assert {name: text.strip() for name, text in found.items()} == {
        name: text.strip() for name, text in boards.items()
    }


def test_a_users_rights_on_rabbitmq_are_one_roles():
    users = {each["metadata"]["name"] for each in of_kind(render("full"), "User")}
    permitted = {each["spec"]["userReference"]["name"] for each in of_kind(render("full"), "Permission")}
    assert users == permitted
    assert {name.removeprefix("grantline-") for name in users} == {
        "ingress", "worker", "publisher", "api", "migrate", "keda"
    }  # fmt: skip


def test_the_same_values_give_the_same_text():
    assert template(files=(FULL,)).stdout == template(files=(FULL,)).stdout


def test_the_readme_has_the_grace_periods_of_the_chart():
    readme = (ROOT / "deploy/README.md").read_text()
    told = dict(re.findall(r"^\| (\w+) \| \d+ \|.*\| (\d+) s \|$", readme, re.MULTILINE))
    made = {
        name.partition("-")[0].replace("worker", "workers"): str(pod_of(each)["terminationGracePeriodSeconds"])
        for name, each in by_component(render("default"), "Deployment").items()
    }
    assert told == made


def blocks(language):
    """The examples of the README."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / "deploy/README.md").read_text(), re.MULTILINE | re.DOTALL)


def test_the_example_of_the_readme_makes_every_secret_it_names(tmp_path):
    (commands,) = [text for text in blocks("sh") if "generic grantline-ledger " in text]
    made = {
        (name, key)
        for name, rest in re.findall(r"^kubectl create secret generic (\S+) (.*)$", commands, re.MULTILINE)
        for key in re.findall(r"--from-(?:literal|file)=([^=]+)=", rest)
    }
    values = yaml.safe_load(blocks("yaml")[0])
    values["image"].pop("digest")  # There is no such digest.
    mine = tmp_path / "mine.yaml"
    mine.write_text(yaml.safe_dump(values))
    named = {each for found in workloads(rendered(files=(SMALL, mine))) for each in secrets_of(found).values()}
    assert named == made


def test_the_readme_gives_each_role_its_user_of_rabbitmq(tmp_path):
    (values,) = [text for text in blocks("yaml") if "grantline-broker-ingress" in text]
    mine = tmp_path / "mine.yaml"
    mine.write_text(values)
    objects = rendered(files=(mine,), sets=("networkPolicy.enabled=true",))
    for found in workloads(objects):
        role = component(found).partition("-")[0]
        assert secrets_of(found)["broker.url"] == (f"grantline-broker-{role}", "url")


def test_maintenance_needs_no_migration():
    for path in ("deploy/README.md", "deploy/helm/grantline/values.yaml", "deploy/helm/grantline/templates/NOTES.txt"):
        text = (ROOT / path).read_text()
        assert "--reuse-values --no-hooks --set 'maintenance={ingress}'" in text, path


def disaster_pages():
    return {path.name: path.read_text() for path in (ROOT / "deploy/runbooks/disaster").glob("*.md")}


def matches(expression, labels):
    """Whether a selector on the command line fits an object."""
    for part in re.findall(r"[^,(]+(?:\([^)]*\))?", expression):
        if found := re.fullmatch(r"(\S+) notin \(([^)]*)\)", part):
            if labels.get(found[1]) in found[2].split(","):
                return False
        else:
            key, value = part.split("=")
            if labels.get(key) != value:
                return False
    return True


def test_the_disaster_pages_name_what_the_chart_makes():
    made = {(found["kind"].lower(), found["metadata"]["name"]) for found in render("full")}
    named = set()
    for page, text in disaster_pages().items():
        # The loop of `doctor` names its workers apart.
        workers = re.search(r"worker\) pods='([^']+)'", text)
        for pod in workers[1].split() if workers else ():
            named.add((page, "deployment", f"grantline-{pod}"))
        for kind, name in re.findall(r"\b(deploy|deployment|job|service)/(grantline-[a-z-]+)", text):
            named.add((page, "deployment" if kind == "deploy" else kind, name))
    assert len(named) > 6
    for page, kind, name in named:
        assert (kind, name) in made, f"{page} names a {kind} {name}"


def test_the_disaster_pages_select_every_role_but_the_ingress():
    labels = {name: found["metadata"]["labels"] for name, found in by_component(render("full"), "Deployment").items()}
    migration = by_component(render("full"), "Job")["migrate"]["spec"]["template"]["metadata"]["labels"]
    (others,) = re.findall(r"^others='([^']+)'$", disaster_pages()["README.md"], re.MULTILINE)
    stopped = {name for name, has in labels.items() if matches(others, has)}
    assert stopped == set(ROLES) - {"ingress"}
    assert not matches(others, migration), "its pod stays, and would be waited for"
    for page, text in disaster_pages().items():
        for selector in re.findall(r"--selector (app\S+)", text):
            assert any(matches(selector, has) for has in labels.values()), f"{page}: {selector} finds nothing"


def test_the_readme_rolls_workers_first_and_back_last():
    """The images after each command, with NEW in the values."""
    steps = []
    for text in blocks("sh"):
        if "$OLD" not in text:
            continue
        for command in re.findall(r"^helm upgrade (.*)$", text.replace("\\\n", " "), re.MULTILINE):
            sets = [each.replace("$OLD", "1.4.0") for each in re.findall(r"--set (\S+)", command)]
            digest = "image.digest=sha256:" + 64 * "1"
            deployments = by_component(rendered(sets=(digest, *sets)), "Deployment")
            images = {name.partition("-")[0]: container_of(each)["image"] for name, each in deployments.items()}
            steps.append({name for name, image in images.items() if image == "grantline:1.4.0"})
    everybody = {"ingress", "publisher", "api", "worker"}
    up = [{"ingress", "publisher", "api"}, {"ingress"}, set()]
    assert steps == [*up, {"ingress", "api"}, everybody]
