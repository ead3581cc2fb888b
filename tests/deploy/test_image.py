"""The image: made twice, looked into, and run as a cluster would run it."""

import io
import json
import re
import shutil
import subprocess
import tarfile
import time
import tomllib
from contextlib import contextmanager
from pathlib import Path

import pytest
from conftest import PROGRAM, ROOT

BUILD = ROOT / "deploy/image/build.sh"
DOCKERFILE = ROOT / "deploy/Dockerfile"
PATIENCE = 60


def done(command, **more):
    ran = subprocess.run(command, capture_output=True, text=True, timeout=10 * PATIENCE, check=False, **more)
    assert ran.returncode == 0, f"{' '.join(map(str, command))}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """Removed at the end, for it holds some hundred megabytes."""
    made = tmp_path_factory.mktemp("image")
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="session")
def program(folder):
    """Without what only a debugger reads, as a release is."""
    stripped = folder / "grantline"
    done(["strip", "--strip-debug", "-o", stripped, PROGRAM])
    return stripped


@pytest.fixture(scope="session")
def archive(folder, program):
    made = folder / "image.tar"
    print(done([BUILD, program, made]))
    return made


def read(archive):
    """Manifest digest, configuration, and the files of the layers."""
    with tarfile.open(archive) as outer:
        blob = lambda digest: outer.extractfile(f"blobs/{digest.replace(':', '/')}").read()
        (entry,) = json.load(outer.extractfile("index.json"))["manifests"]
        manifest = json.loads(blob(entry["digest"]))
        files = {}
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as inner:
                files |= {member.name: member for member in inner.getmembers()}
        return entry["digest"], json.loads(blob(manifest["config"]["digest"])), files


def test_the_same_program_gives_the_same_digest(archive, folder, program):
    again = folder / "again.tar"
    copied = folder / "elsewhere"
    shutil.copyfile(program, copied)
    copied.chmod(0o755)
    done([BUILD, copied, again])
    assert read(archive)[0] == read(again)[0]


def test_the_image_holds_the_program_and_certificates_and_nothing_else(archive, program):
    _, image, files = read(archive)
    kept = {name: member for name, member in files.items() if not member.isdir()}
    assert set(kept) == {"grantline", "etc/ssl/certs/ca-certificates.crt"}
    for name, member in files.items():
        assert (member.uid, member.gid) == (0, 0) and not member.mode & 0o6022, name
    assert not any(member.mode & 0o200 for member in kept.values())
    assert kept["grantline"].size == program.stat().st_size
    assert image["config"]["User"] == "65532:65532"
    assert image["config"]["Entrypoint"] == ["/grantline"]
    assert "Cmd" not in image["config"] and "Shell" not in image["config"]


@contextmanager
def container(folder, archive, name, *more):
    """The image as a pod has it, and what runs a command of it inside. Without a network."""
    store = ["--root", folder / "store", "--runroot", folder / "run", "--storage-driver", "vfs"]
    podman = ["podman", *store, "--runtime", "runc", "--cgroup-manager", "cgroupfs"]
    if not (folder / "store").exists():
        done([*podman, "load", "--quiet", "--input", archive])
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    confined = [
        *["--network", "none", "--read-only", "--memory", "64m"],
        *["--cap-drop", "all", "--security-opt", "no-new-privileges"],
    ]
    started = [*podman, "run", "--detach", "--name", name, *limits, *confined]
    # `--user` is not said: it is the image's own.
    done([*started, "localhost/grantline:latest", *more])
    try:
        yield podman
    finally:
        subprocess.run([*podman, "rm", "--force", name], capture_output=True, check=False)


def test_an_order_is_played_in_it_read_only_without_rights_network_or_root(archive, folder):
    with container(folder, archive, "line", "serve", "--data", "/tmp/line") as podman:
        inside = [*podman, "exec", "line", "/grantline"]
        deadline = time.monotonic() + PATIENCE
        while subprocess.run([*inside, "healthcheck"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, done([*podman, "logs", "line"])
            time.sleep(0.1)
        assert done([*inside, "healthcheck", "live"]) == "live\n"
        told = done([*inside, "play", "refund", "--instance", "/tmp/line/instance.toml"])
        assert "Everything came as expected" in told
        state = json.loads(done([*podman, "inspect", "line"]))[0]
        lines = Path(f"/proc/{state['State']['Pid']}/status").read_text().splitlines()
        facts = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        assert facts["Uid"].split() == ["65532"] * 4
        assert {facts[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
        assert facts["NoNewPrivs"] == "1" and facts["Seccomp"] == "2"
        assert state["HostConfig"]["ReadonlyRootfs"] and state["HostConfig"]["Memory"] == 64 << 20
        done([*podman, "stop", "--time", "30", "line"])
        ended = json.loads(done([*podman, "inspect", "line"]))[0]["State"]
        assert ended["ExitCode"] == 0 and not ended["OOMKilled"]


def test_there_is_no_shell_to_break_into(archive, folder):
    with container(folder, archive, "shell", "serve", "--data", "/tmp/line") as podman:
        for program in ("/bin/sh", "sh", "/bin/ls"):
            ran = subprocess.run(
                [*podman, "exec", "shell", program], capture_output=True, text=True, check=False
            )
            assert ran.returncode == 127 or "no such file" in ran.stderr.lower(), ran.stderr


def test_hadolint_finds_nothing_to_say():
    done(["hadolint", "--failure-threshold", "style", DOCKERFILE])


def test_the_image_of_the_build_is_the_toolchain_of_the_repository():
    channel = tomllib.loads((ROOT / "rust-toolchain.toml").read_text())["toolchain"]["channel"]
    (tag,) = re.findall(r"^FROM \S+/rust:(\S+) AS program$", DOCKERFILE.read_text(), re.MULTILINE)
    assert tag.split("-")[0] == channel


def test_the_build_is_given_everything_that_it_needs(tmp_path):
    """What `docker build` would send, as far as cargo can tell without compiling it."""
    allowed = re.findall(r"^!(\S+)$", (ROOT / "deploy/Dockerfile.dockerignore").read_text(), re.MULTILINE)
    for name in allowed:
        (tmp_path / name).symlink_to(ROOT / name)
    done(["cargo", "metadata", "--locked", "--offline", "--format-version", "1"], cwd=tmp_path)
    assert {"Makefile", "migrations", "crates"} <= set(allowed)
    assert not {"target", ".git", ".stack"} & set(allowed)
