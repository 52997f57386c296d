"""Airflow's configuration, keys and ports of an installation."""

from __future__ import annotations

import configparser
import json
import socket
from pathlib import Path

import pytest

from phoenix.deployment.airflow_home import login, write_configuration
from phoenix.deployment.database import DatabaseUrls
from phoenix.deployment.installation import Installation
from phoenix.deployment.ports import Ports, choose_ports, known_ports
from phoenix.errors import ConfigError, InfrastructureError

PORTS = Ports(8123, 8793, 8893)
URLS = DatabaseUrls(
    "postgresql+psycopg2://u:p%40ss@db/airflow", "postgresql+psycopg://db/phoenix", embedded=False
)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "var", tmp_path)


def read(path: Path) -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(path)
    return parser


def test_the_configuration_is_complete_and_private(installation: Installation) -> None:
    path = write_configuration(installation, URLS, PORTS)
    assert path.stat().st_mode & 0o777 == 0o600
    content = read(path)
    assert "${" not in path.read_text()
    assert content["core"]["dags_folder"] == str(installation.dags)
    assert content["api"]["port"] == "8123"
    assert content["core"]["execution_api_server_url"] == "http://127.0.0.1:8123/execution/"


def test_per_cent_signs_of_a_url_arrive_as_they_are(installation: Installation) -> None:
    content = read(write_configuration(installation, URLS, PORTS))
    assert content["database"]["sql_alchemy_conn"] == URLS.airflow
    assert content["database"]["sql_alchemy_conn_async"] == "postgresql+psycopg://u:p%40ss@db/airflow"


def test_keys_are_made_once_and_differ(installation: Installation, tmp_path: Path) -> None:
    first = read(write_configuration(installation, URLS, PORTS))
    again = read(write_configuration(installation, URLS, PORTS))
    other = read(write_configuration(Installation(tmp_path / "other", tmp_path), URLS, PORTS))
    keys = [("core", "fernet_key"), ("api", "secret_key"), ("api_auth", "jwt_secret")]
    assert [first[section][key] for section, key in keys] == [again[section][key] for section, key in keys]
    values = {content[section][key] for content in (first, other) for section, key in keys}
    assert len(values) == 6


def test_the_password_is_kept_where_only_the_owner_reads(installation: Installation) -> None:
    account = login(installation, PORTS)
    assert account == login(installation, PORTS)
    assert account.password_file.stat().st_mode & 0o777 == 0o600
    assert account.password_file.parent.stat().st_mode & 0o777 == 0o700
    assert json.loads(account.password_file.read_text()) == {account.username: account.password}


def test_a_template_with_an_unknown_name_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "airflow.cfg.template").write_text("[core]\ndags_folder = ${dagz}\n")
    broken = Installation(tmp_path / "var", tmp_path, project=tmp_path)
    with pytest.raises(ConfigError, match="dagz"):
        write_configuration(broken, URLS, PORTS)


def test_ports_are_remembered_and_a_taken_one_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PHOENIX_UI_PORT", raising=False)
    first = choose_ports(tmp_path, "127.0.0.1")
    assert known_ports(tmp_path) == first
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", first.ui))
        taken.listen()
        second = choose_ports(tmp_path, "127.0.0.1")
    assert second.ui != first.ui
    assert known_ports(tmp_path) == second


def test_a_named_port_that_is_taken_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setenv("PHOENIX_UI_PORT", str(taken.getsockname()[1]))
        with pytest.raises(InfrastructureError, match="PHOENIX_UI_PORT"):
            choose_ports(tmp_path, "127.0.0.1")


def test_the_environment_reaches_loopback_without_a_proxy(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("no_proxy", "example.org")
    environment = installation.environment()
    assert environment["no_proxy"] == "example.org,localhost,127.0.0.1"
    assert environment["PHOENIX_ROOT"] == str(installation.root)
    assert environment["PYTHONPATH"].split(":")[0] == str(installation.project / "plugins")
