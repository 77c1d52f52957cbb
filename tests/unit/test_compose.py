"""docker-compose.yml and the Dockerfile, read as data: no container engine is needed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
ONE_SHOT = {"migrate", "logins"}
OURS = {"migrate", "worker", "scheduler", "sealer", "web"}
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def test_the_services_are_those_of_the_product() -> None:
    assert set(SERVICES) == {"postgres", "rabbitmq"} | OURS | ONE_SHOT


@pytest.mark.parametrize("name", sorted(set(SERVICES) - ONE_SHOT))
def test_what_stays_up_has_a_health_check_and_comes_back(name: str) -> None:
    service = SERVICES[name]
    assert service["healthcheck"]["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= set(service["healthcheck"])
    assert service["restart"] == "unless-stopped"
    assert service["stop_grace_period"] == "60s"


@pytest.mark.parametrize("name", sorted(ONE_SHOT))
def test_what_runs_once_is_waited_for(name: str) -> None:
    assert SERVICES[name]["restart"] == "no"
    waiting = [s for s in SERVICES.values() if name in s.get("depends_on", {})]
    assert waiting
    assert all(s["depends_on"][name]["condition"] == "service_completed_successfully" for s in waiting)


def test_nothing_starts_before_what_it_needs_is_healthy() -> None:
    for service in SERVICES.values():
        for needed, how in service.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if needed in ONE_SHOT else "service_healthy"
            assert how == {"condition": wanted}


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_no_secret_stands_in_the_file(name: str) -> None:
    for key, value in SERVICES[name].get("environment", {}).items():
        if re.search(r"PASS|SECRET|TOKEN|KEY", key):
            # What the identity provider gave may be nothing: PKCE alone, then.
            outside = r"\$\{LIMITS_OIDC_CLIENT_SECRET:-\}|\$\{[A-Z_]+:\?[^}]*\}"
            assert re.fullmatch(outside, value), f"{name}: {key} must come from outside"
        for password in re.findall(r"://[^:/@]+:([^@]+)@", value):
            assert re.fullmatch(r"\$\{[A-Z_]+:\?\}", password), f"{name}: the password in {key} must come from outside"


def test_each_secret_says_what_to_do_where_it_is_missing() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    for who in ("POSTGRES", "WORKER", "SEALER", "RABBITMQ", "WEB", "APPROVER", "AUDITOR"):
        name = f"{who}_PASSWORD"
        assert f"${{{name}:?set {name}," in text


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_containers_have_no_more_rights_than_they_need(name: str) -> None:
    service = SERVICES[name]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    ports = ["127.0.0.1:8321:8321"] if name == "web" else []
    assert service.get("ports", []) == ports, (
        "nothing is open to the outside; a proxy on this machine finds the console"
    )
    if name in OURS | ONE_SHOT:
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]


def test_images_are_pinned_by_tag_and_data_is_on_volumes() -> None:
    for service in SERVICES.values():
        assert re.search(r":[\w${][\w.:${}-]*$", service["image"])
        assert not service["image"].endswith(":latest")
    assert SERVICES["postgres"]["image"].startswith("postgres:18")
    assert SERVICES["rabbitmq"]["image"].startswith("rabbitmq:4")
    # The image of PostgreSQL 18 keeps its data one folder further up than older ones did.
    assert SERVICES["postgres"]["volumes"] == ["postgres:/var/lib/postgresql"]
    assert SERVICES["rabbitmq"]["volumes"] == ["rabbitmq:/var/lib/rabbitmq"]
    assert set(COMPOSE["volumes"]) == {"postgres", "rabbitmq", "sealer"}
    assert SERVICES["rabbitmq"]["hostname"], "the broker's data is named after its host"


def test_the_worker_is_not_the_owner_of_the_database() -> None:
    for name in ("worker", "scheduler"):
        assert SERVICES[name]["environment"]["LIMITS_DATABASE_URL"].startswith("postgresql://limits_app:")
    assert SERVICES["migrate"]["environment"]["LIMITS_DATABASE_URL"].startswith("postgresql://limits_admin:")


def test_the_sealer_has_a_login_and_files_of_its_own() -> None:
    sealer = SERVICES["sealer"]
    assert sealer["environment"]["LIMITS_DATABASE_URL"].startswith("postgresql://limits_seal:")
    home = sealer["environment"]["LIMITS_HOME"]
    assert sealer["volumes"] == [f"sealer:{home}"] and f"--owner=limits --group=limits --mode=0700 {home}" in DOCKERFILE
    others = [service for name, service in SERVICES.items() if name != "sealer"]
    assert not any("sealer:" in volume for service in others for volume in service.get("volumes", []))


def test_the_console_tells_first_persons_second_persons_and_auditors_apart_by_login() -> None:
    web, made = SERVICES["web"]["environment"], SERVICES["logins"]["command"][0]
    logins = {
        name: re.match(r"postgresql://(\w+):", url)[1] for name, url in web.items() if name.endswith("DATABASE_URL")
    }  # type: ignore[index]
    assert len(set(logins.values())) == 3
    granted = dict(re.findall(r"GRANT ([\w, ]+) TO (\w+);", made))
    rights = {login: set(roles.split(", ")) for roles, login in granted.items()}
    assert rights[logins["LIMITS_DATABASE_URL"]] == {"limits_console", "limits_operations", "limits_monitor"}
    assert rights[logins["LIMITS_APPROVER_DATABASE_URL"]] == {"limits_operations"}
    assert rights[logins["LIMITS_AUDITOR_DATABASE_URL"]] == {"limits_auditor"}
    assert SERVICES["web"]["profiles"] == ["web"], "it has nobody to sign in before a provider is named"


def test_the_image_is_built_from_the_lock_and_runs_without_rights() -> None:
    assert "--no-deps --require-hashes -r .ci/requirements.txt" in DOCKERFILE
    last = DOCKERFILE.split("\nFROM ")[-1]
    assert re.search(r"^USER limits$", last, re.MULTILINE)
    assert not re.search(r"^\s*(ARG|ENV) .*(PASS|SECRET|TOKEN)", DOCKERFILE, re.MULTILINE)
    for source in re.findall(r"^COPY (?!--from)(.+) \S+$", DOCKERFILE, re.MULTILINE):
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        for path in source.split():
            assert (ROOT / path).exists(), path
            assert f"!{path}" in ignored, f"{path} is copied and yet ignored"
