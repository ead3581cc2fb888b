"""The chart and the program: what the one says, the other understands and does."""

import base64
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
from conftest import (
    FULL,
    PROGRAM,
    ROOT,
    SCENARIOS,
    by_component,
    component,
    container_of,
    environment_of,
    of_kind,
    pod_of,
    render,
    rendered,
    secrets_of,
)

MOUNT = "/etc/grantline/secrets"
PATIENCE = 30
# Whatever a secret has to look like for the configuration to be sound.
PLAUSIBLE = {
    "ledger.url": "postgres://grantline:pw@127.0.0.1:1/grantline",
    "broker.url": "amqp://grantline:pw@127.0.0.1:1/shop",
    "broker.management_url": "http://127.0.0.1:1",
    "claim.url": "redis://127.0.0.1:1",
    "projects.44056.quarantine.key": "00" * 32,
}


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    """A certificate in PEM form."""
    folder = tmp_path_factory.mktemp("authority")
    made = folder / "ca.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=test"
    subprocess.run(
        [*command.split(), "-keyout", folder / "ca.key", "-out", made], check=True, capture_output=True
    )
    return made.read_text()


def mounted(workload, folder, contents):
    """The environment of a pod whose secrets are files in `folder`."""
    folder.mkdir()
    for path in secrets_of(workload):
        (folder / path).write_text(contents(path))
    environment = environment_of(workload)
    return {name: value.replace(MOUNT, str(folder)) for name, value in environment.items()}


def program(arguments, environment):
    """The program as a pod has it: nothing else in its environment."""
    return subprocess.run(
        [PROGRAM, *arguments], env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


def workloads(objects):
    return of_kind(objects, "Deployment", "Job")


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_every_variable_is_one_that_the_configuration_knows(scenario, tmp_path, authority):
    def contents(path):
        if path == "broker.url" and scenario_has_tls:
            return "amqps://grantline:pw@127.0.0.1:1/shop"
        return authority if ".tls." in path else PLAUSIBLE.get(path, "plausible")

    for workload in workloads(render(scenario)):
        scenario_has_tls = "broker.tls.ca" in secrets_of(workload)
        role = container_of(workload)["args"][0]
        environment = mounted(workload, tmp_path / component(workload), contents)
        done = program(["check-config", "--role", role, "--print-config"], environment)
        assert done.returncode == 0, f"{component(workload)}: {done.stderr}"
        # A project without a key of its own is merely there.
        for name in [name for name, value in environment.items() if value != "{}"]:
            assert f"# {name}" in done.stdout, f"{component(workload)}: {name} has no effect"


def test_a_variable_that_nobody_knows_is_found():
    workload = by_component(rendered(sets=("config.worker.lane=3",)), "Deployment")["worker-grant"]
    environment = environment_of(workload) | {
        "GRANTLINE__LEDGER__URL_FILE": "/dev/null",
        "GRANTLINE__BROKER__URL_FILE": "/dev/null",
    }
    done = program(["check-config", "--role", "worker"], environment)
    assert done.returncode == 1 and "GRANTLINE__WORKER__LANE: unknown key" in done.stderr


def test_without_its_secrets_only_the_ingress_is_refused():
    role = lambda name: program(
        ["check-config", "--role", name],
        {
            "GRANTLINE__LEDGER__URL": "postgres://h/d",
            "GRANTLINE__BROKER__URL": "amqp://h",
            "GRANTLINE__PROJECTS__44056": "{}",
        },
    ).returncode
    assert [role(name) for name in ("serve", "ingress", "worker", "publisher", "api")] == [1, 1, 0, 0, 0]


def test_the_readme_has_the_grants_that_are_tried():
    readme = (ROOT / "deploy/README.md").read_text()
    for role, grants in GRANTS.items():
        assert f"| {role} | `{grants}` |" in readme


def free_port():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def on_loopback(environment):
    """The same with ports of this machine: section → port."""
    ports = {}
    moved = dict(environment)
    for name in environment:
        if found := re.fullmatch(r"GRANTLINE__(\w+)__LISTEN", name):
            ports[found[1].lower()] = free_port()
            moved[name] = f"127.0.0.1:{ports[found[1].lower()]}"
    return moved, ports


def status(port, path):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as refused:
        return refused.code
    except OSError:
        return None


def until(what, holds):
    """Waits for a condition; its deadline is generous, its interval short."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {PATIENCE} s"
        time.sleep(0.05)


@contextmanager
def running(arguments, environment, log):
    with open(log, "w") as out:
        process = subprocess.Popen([PROGRAM, *arguments], env=environment, stdout=out, stderr=out)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def probed(workload):
    container = container_of(workload)
    return {name: container[name]["httpGet"]["path"] for name in container if name.endswith("Probe")}


@pytest.mark.parametrize("role", ["ingress", "worker-grant", "publisher", "api"])
def test_probes_hit_paths_that_the_program_serves(role, tmp_path):
    """With all servers away: it lives, and says whether it is ready."""
    workload = by_component(render("default"), "Deployment")[role]
    environment = mounted(workload, tmp_path / "secrets", lambda path: PLAUSIBLE[path])
    environment, ports = on_loopback(environment)
    admin = ports["admin"]
    with running(container_of(workload)["args"], environment, tmp_path / "log"):
        paths = probed(workload)
        assert set(paths) == {"startupProbe", "livenessProbe", "readinessProbe"}
        until("the program starts", lambda: status(admin, paths["startupProbe"]) == 200)
        assert status(admin, paths["livenessProbe"]) == 200
        assert status(admin, paths["readinessProbe"]) == (200 if role == "ingress" else 503)
        assert status(admin, "/healthz") == 404, "else any path would do"
        asked = {probe: program(["healthcheck", probe], environment) for probe in ("live", "ready")}
        assert asked["live"].returncode == 0
        assert asked["ready"].returncode == (0 if role == "ingress" else 1), asked["ready"]
    gone = program(["healthcheck", "live"], environment)
    assert gone.returncode == 1 and "does not answer" in gone.stderr


def test_the_scraped_path_is_served(tmp_path):
    (monitor,) = of_kind(render("full"), "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    workload = by_component(render("default"), "Deployment")["ingress"]
    named = [port["name"] for port in container_of(workload)["ports"]]
    assert endpoint["port"] in named
    environment = mounted(workload, tmp_path / "secrets", lambda path: PLAUSIBLE[path])
    environment, ports = on_loopback(environment)
    with running(["ingress"], environment, tmp_path / "log"):
        until("metrics", lambda: status(ports["admin"], endpoint["path"]) == 200)


class Management:
    """RabbitMQ's management API."""

    def __init__(self, user=None, password=None):
        amqp = urlsplit(os.environ["AMQP_URL"])
        self.url = os.environ["RABBITMQ_API_URL"]
        self.user, self.password = user or amqp.username, password or amqp.password

    def __call__(self, method, path, body=None):
        request = urllib.request.Request(f"{self.url}/api/{path}", method=method)
        pair = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        request.add_header("authorization", f"Basic {pair}")
        if body is not None:
            request.add_header("content-type", "application/json")
            request.data = json.dumps(body).encode()
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            text = answer.read()
            return json.loads(text) if text else None


def psql(statement, database=None):
    (found, *_) = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), reverse=True)
    url = urlsplit(os.environ["DATABASE_URL"])
    url = url._replace(path=f"/{database}") if database else url
    done = subprocess.run(
        [found, "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--command", statement, urlunsplit(url)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# What deploy/README.md says that the PostgreSQL user of each role needs.
GRANTS = {
    "ingress": "select on all tables in schema public; select, insert, update, delete on quarantine",
    "worker": "select, insert, update, delete on all tables in schema public",
    "publisher": "select on all tables in schema public",
    "api": "select, insert, update, delete on all tables in schema public",
}


class Cluster:
    """A database and a virtual host, with the users and rights that the chart gives the roles."""

    def __init__(self, stack):
        self.name = f"chart_{secrets.token_hex(6)}"
        self.admin = Management()
        self.passwords = {}
        psql(f"create database {self.name}")
        stack.callback(psql, f"drop database {self.name} with (force)")
        self.admin("PUT", f"vhosts/{self.name}")
        stack.callback(self.admin, "DELETE", f"vhosts/{self.name}")
        objects = render("full")
        tags = {each["metadata"]["name"]: each["spec"].get("tags", []) for each in of_kind(objects, "User")}
        for permission in of_kind(objects, "Permission"):
            user = permission["spec"]["userReference"]["name"]
            role = user.removeprefix("grantline-")
            self.passwords[role] = secrets.token_hex(8)
            told = {"password": self.passwords[role], "tags": ",".join(tags[user])}
            self.admin("PUT", f"users/{self.user(role)}", told)
            stack.callback(self.admin, "DELETE", f"users/{self.user(role)}")
            rights = permission["spec"]["permissions"]
            self.admin("PUT", f"permissions/{self.name}/{self.user(role)}", rights)

    def grant(self, stack):
        """Users of the database, once there are tables."""
        for role, grants in GRANTS.items():
            user = f'"{self.user(role)}"'
            psql(f"create role {user} login password '{self.passwords[role]}'")
            stack.callback(psql, f"drop role {user}")
            stack.callback(psql, f"drop owned by {user}", self.name)
            psql("; ".join(f"grant {grant} to {user}" for grant in grants.split("; ")), self.name)

    def user(self, role):
        return f"{self.name}-{role}"

    def secret(self, role):
        """What stands in the Secrets of a role, by the path it is mounted at."""
        database = urlsplit(os.environ["DATABASE_URL"])
        amqp = urlsplit(os.environ["AMQP_URL"])
        pair = f"{quote(self.user(role))}:{self.passwords[role]}"
        host = f"{pair}@{amqp.hostname}:{amqp.port}"
        if role != "migrate":
            database = database._replace(netloc=f"{pair}@{database.hostname}:{database.port}")
        known = {
            "ledger.url": urlunsplit(database._replace(path=f"/{self.name}")),
            "broker.url": urlunsplit(amqp._replace(netloc=host, path=f"/{self.name}")),
            "broker.management_url": os.environ["RABBITMQ_API_URL"],
            "claim.url": os.environ["REDIS_URL"],
        }
        return lambda path: known.get(path, path)


VALUES = """
projects:
  "44056":
    config: { publisher: { algorithm: HS256, login_project_id: 00000000-0000-4000-8000-000000044056 } }
    secrets:
      webhook_secrets: [{ secret: xsolla, key: webhook }]
      publisher: { secret: { secret: login, key: shared } }
apiKeys:
  game_server: { rights: [register, read, replay], secret: { secret: api, key: game-server } }
secrets:
  broker: { management_url: { secret: broker, key: management } }
  claim: { url: { secret: claim, key: url } }
config:
  claim: { key_prefix: "%s:" }
  publisher: { drain_spread: 1s }
"""


def test_what_the_chart_runs_plays_an_order_with_the_rights_of_each_role(tmp_path):
    """Every pod as a process, on the stack's servers, each as the user of its role."""
    with ExitStack() as stack:
        cluster = Cluster(stack)
        values = tmp_path / "values.yaml"
        values.write_text(VALUES % cluster.name)
        objects = rendered(files=(values,), sets=("keda.enabled=true",))
        (job,) = of_kind(objects, "Job")
        environment = mounted(job, tmp_path / "migrate", cluster.secret("migrate"))
        migrated = program(container_of(job)["args"], environment)
        assert migrated.returncode == 0, migrated.stderr
        cluster.grant(stack)
        declared = set(re.findall(r"^broker: queue (\S+)$", migrated.stdout, re.MULTILINE))

        processes, ports, logs = {}, {}, {}
        for name, workload in by_component(objects, "Deployment").items():
            role = name.partition("-")[0]
            environment = mounted(workload, tmp_path / name, cluster.secret(role))
            environment, ports[name] = on_loopback(environment)
            logs[name] = tmp_path / f"{name}.log"
            arguments = container_of(workload)["args"]
            processes[name] = stack.enter_context(running(arguments, environment, logs[name]))
        text = lambda: "\n".join(f"{name}:\n{log.read_text()}" for name, log in logs.items())
        for name, workload in by_component(objects, "Deployment").items():
            path = probed(workload)["readinessProbe"]
            until(f"{name} is ready", lambda: status(ports[name]["admin"], path) == 200)

        consumers = lambda queue: cluster.admin("GET", f"queues/{cluster.name}/{queue}").get("consumers", 0)
        keda = Management(cluster.user("keda"), cluster.passwords["keda"])
        scaled = by_component(objects, "ScaledObject")
        assert len(scaled) == 3
        for name, each in scaled.items():
            queue = each["spec"]["triggers"][0]["metadata"]["queueName"]
            assert queue in declared, f"{name}: nobody declares {queue}"
            until(f"{name} takes from {queue}", lambda: consumers(queue) >= 1)
            assert keda("GET", f"queues/{cluster.name}/{queue}")["name"] == queue

        played = program(
            [
                "play", "refund",
                "--webhook-url", f"http://127.0.0.1:{ports['ingress']['ingress']}/webhooks/xsolla/44056",
                "--secret-file", tmp_path / "ingress/projects.44056.webhook_secrets.0",
                "--client-url", f"http://127.0.0.1:{ports['publisher']['publisher']}",
                "--login-secret-file", tmp_path / "publisher/projects.44056.publisher.secret",
                "--login-project-id", "00000000-0000-4000-8000-000000044056",
                "--api-url", f"http://127.0.0.1:{ports['api']['api']}",
                "--api-key-file", tmp_path / "api/api.keys.game_server.secret",
            ],
            {},
        )  # fmt: skip
        assert played.returncode == 0, f"{played.stdout}\n{played.stderr}\n{text()}"
        assert not re.search("ACCESS_REFUSED|permission denied", text()), text()

        for process in processes.values():
            process.send_signal(signal.SIGTERM)
        for name, workload in by_component(objects, "Deployment").items():
            grace = pod_of(workload)["terminationGracePeriodSeconds"]
            assert processes[name].wait(grace) == 0, f"{name} did not finish\n{text()}"
