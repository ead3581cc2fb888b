"""deploy/compose.yaml. Nobody runs it here: there is no Docker daemon and no registry."""

import json
import subprocess

import pytest
import yaml
from compose_spec import compose_spec
from conftest import PROGRAM, ROOT

FILE = ROOT / "deploy/compose.yaml"
OURS = ("migrate", "grantline")


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load(FILE.read_text())


def parse(composed):
    compose_spec.PyCompose.from_json(json.dumps(composed)).validate()


def test_it_is_a_compose_file(compose):
    parse(compose)
    compose["services"]["redis"]["helthcheck"] = {}
    with pytest.raises(ValueError, match="helthcheck"):
        parse(compose)
    del compose["services"]["redis"]["helthcheck"]


def test_what_a_service_names_is_there(compose):
    services = compose["services"]
    for name, service in services.items():
        waits = service.get("depends_on", [])
        assert set(waits) <= set(services), name
        for other, how in (waits.items() if isinstance(waits, dict) else ()):
            if how["condition"] == "service_healthy":
                assert "healthcheck" in services[other], f"{name} would wait for {other} for ever"
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                assert (FILE.parent / source).exists(), f"{name}: {source}"
            else:
                assert source in compose["volumes"], f"{name}: {source}"
        for config in service.get("configs", []):
            assert config["source"] in compose["configs"], name


def test_nothing_is_open_to_the_network_the_laptop_is_in(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)
    published = [port.split(":")[1] for port in ports]
    assert len(published) == len(set(published))


def test_every_image_is_of_a_version(compose):
    for name, service in compose["services"].items():
        tag = service["image"].rpartition(":")[2]
        assert tag != "latest" and (name in OURS or any(letter.isdigit() for letter in tag)), name


def test_grantline_is_confined_and_told_what_it_knows(compose):
    for name in OURS:
        service = compose["services"][name]
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        known = subprocess.run(
            [PROGRAM, "check-config", "--print-config"],
            env=service["environment"], capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert known.returncode == 0, known.stderr
        assert all(f"# {variable}" in known.stdout for variable in service["environment"])
    assert compose["services"]["migrate"]["command"] == ["migrate"]
    assert compose["services"]["grantline"]["healthcheck"]["test"] == ["CMD", "/grantline", "healthcheck"]


def test_what_is_told_inline_is_yaml(compose):
    told = {name: yaml.safe_load(config["content"]) for name, config in compose["configs"].items()}
    assert told["grafana-datasources"]["apiVersion"] == told["grafana-dashboards"]["apiVersion"] == 1
    (source,) = told["grafana-datasources"]["datasources"]
    (address,) = [word for word in compose["services"]["prometheus"]["command"] if "listen-address" in word]
    assert source["url"].rpartition(":")[2] == address.rpartition(":")[2]
    collector = yaml.safe_load((FILE.parent / "otel/collector.yaml").read_text())
    for name, pipeline in told["collector"]["service"]["pipelines"].items():
        assert name in collector["service"]["pipelines"], "nothing would be laid over"
        assert set(pipeline["exporters"]) <= set(told["collector"]["exporters"])
    endpoint = collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"]
    told_to = compose["services"]["grantline"]["environment"]["GRANTLINE__TELEMETRY__OTLP_ENDPOINT"]
    assert told_to == f"http://collector:{endpoint.rpartition(':')[2]}"
