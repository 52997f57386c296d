"""Sending through a real SMTP server and a real HTTP receiver on this machine."""

import json
import socket
import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from alert_receivers import free_port, http_receiver, smtp_server
from phoenix.config.site import Alerts, Email, Webhook
from phoenix.model.batch import BatchState
from phoenix.model.report import AbLine, BatchReport
from phoenix.monitor.digest import build
from phoenix.monitor.send import send

HOSTILE = "<b>bold</b>\r\nBcc: victim@example.org"


def report() -> BatchReport:
    opened = datetime(2026, 11, 22, 18, tzinfo=UTC)
    replay = "phoenix ab run UVES_R3 UVES.x.ab"
    line = AbLine("UVES.x.ab", "2019-03-04", "science", "failed", HOSTILE, "", replay)
    return BatchReport(
        site="demo",
        release="UVES_R3",
        key="2019-03",
        state=BatchState.PARTIAL,
        opened_at=opened,
        closed_at=opened + timedelta(minutes=5),
        nights=(),
        outcomes={"science": {"failed": 1}},
        problems=(),
        troubled=(line,),
        excluded=(),
        reds=(),
        idps_ingested=0,
        held=(),
        not_ingested=(),
        recipe_s=1.0,
        slots=2,
        links={},
    )


def email(port: int, **settings: Any) -> Email:
    values = {"sender": "phoenix@example.org", "to": ("operators@example.org",), **settings}
    return Email(smtp_host="127.0.0.1", smtp_port=port, **values)


def test_one_message_with_text_and_html_and_one_post() -> None:
    to = ("operators@example.org", "night@example.org")
    with smtp_server() as (inbox, port), http_receiver(200) as receiver:
        deliveries = send(
            report(), Alerts(email=email(port, to=to), webhook=Webhook(url=receiver.url)), wait_s=0
        )
    assert [(d["channel"], d["sent"], d["error"]) for d in deliveries] == [
        ("e-mail", True, ""),
        ("webhook", True, ""),
    ]
    json.dumps(deliveries)
    [message] = inbox.messages
    assert inbox.recipients == [list(to)]
    assert message["Subject"].startswith("PHOENIX UVES_R3 2019-03: PARTIAL, 1 ABs without product")
    assert message["To"] == ", ".join(to)
    assert "Bcc" not in message
    text, html = message.get_body(("plain",)), message.get_body(("html",))
    assert text is not None
    assert html is not None
    assert "phoenix ab run UVES_R3 UVES.x.ab" in text.get_content()
    assert "&lt;b&gt;bold" in html.get_content()
    assert "<b>bold" not in html.get_content()
    [(headers, payload)] = receiver.posted
    assert payload == json.loads(json.dumps(build(report()).payload))
    assert headers["Idempotency-Key"] == payload["id"]
    assert message["Message-ID"] == f"<{payload['id']}@phoenix>"


def test_without_addresses_nothing_is_sent() -> None:
    assert send(report(), Alerts()) == []


def test_a_dead_mail_server_does_not_stop_the_webhook_and_is_told() -> None:
    dead = free_port()
    with http_receiver(200) as receiver:
        mail, hook = send(report(), Alerts(email=email(dead), webhook=Webhook(url=receiver.url)), wait_s=0)
    assert not mail["sent"]
    assert f"127.0.0.1:{dead}" in mail["error"]
    assert "refused" in mail["error"]
    assert hook["sent"]


def test_a_dead_webhook_does_not_stop_the_mail_and_is_told() -> None:
    with smtp_server() as (inbox, port):
        mail, hook = send(
            report(),
            Alerts(email=email(port), webhook=Webhook(url=f"http://127.0.0.1:{free_port()}/x")),
            wait_s=0,
        )
    assert mail["sent"]
    assert len(inbox.messages) == 1
    assert not hook["sent"]
    assert hook["error"]


@pytest.mark.parametrize(
    ("codes", "sent", "posts"),
    [((503, 429, 200), True, 3), ((500,), False, 3), ((404,), False, 1), ((302,), False, 1)],
    ids=["recovers", "stays broken", "wrong address", "redirects"],
)
def test_the_webhook_is_repeated_only_when_that_may_help(
    codes: tuple[int, ...], sent: bool, posts: int
) -> None:
    with http_receiver(*codes) as receiver:
        [hook] = send(report(), Alerts(webhook=Webhook(url=receiver.url)), wait_s=0)
    assert (hook["sent"], len(receiver.posted)) == (sent, posts)
    assert len({payload["id"] for _, payload in receiver.posted}) == 1
    assert sent or str(codes[-1]) in hook["error"]


def test_a_webhook_that_never_answers_times_out() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        [hook] = send(report(), Alerts(webhook=Webhook(url=url, timeout_s=0.1)), wait_s=0)
    assert not hook["sent"]
    assert "timed out" in hook["error"]


@pytest.mark.parametrize("url", ["not an address", "ftp://example.org/", "http://[broken/"])
def test_a_wrong_webhook_address_is_told(url: str) -> None:
    [hook] = send(report(), Alerts(webhook=Webhook(url=url)), wait_s=0)
    assert not hook["sent"]
    assert hook["error"]


def test_recipients_the_server_refuses_are_told_and_the_others_served() -> None:
    with smtp_server() as (inbox, port):
        to = ("operators@example.org", "gone@refused.example")
        [some] = send(report(), Alerts(email=email(port, to=to)), wait_s=0)
        [none] = send(report(), Alerts(email=email(port, to=to[1:])), wait_s=0)
    assert (some["sent"], none["sent"]) == (True, False)
    assert "gone@refused.example" in some["error"]
    assert "no such user" in none["error"]
    assert inbox.recipients == [["operators@example.org"]]


def test_login_and_encryption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificate = self_signed(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    seen: list[tuple[bytes, bytes]] = []

    def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        seen.append((data.login, data.password))
        return AuthResult(success=data.password == b"secret", handled=False)

    with smtp_server(
        tls_context=context, require_starttls=True, authenticator=authenticate, auth_required=True
    ) as (inbox, port):
        settings = {"starttls": True, "username": "phoenix", "password_env": "PHOENIX_TEST_PASSWORD"}
        alerts = Alerts(email=email(port, **settings))
        [unset] = send(report(), alerts, wait_s=0)
        monkeypatch.setenv("PHOENIX_TEST_PASSWORD", "secret")
        [untrusted] = send(report(), alerts, wait_s=0)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        [good] = send(report(), alerts, wait_s=0)
        monkeypatch.setenv("PHOENIX_TEST_PASSWORD", "wrong")
        [wrong] = send(report(), alerts, wait_s=0)
    assert "PHOENIX_TEST_PASSWORD" in unset["error"]
    assert "certificate" in untrusted["error"]
    assert good == {"channel": "e-mail", "address": "operators@example.org", "sent": True, "error": ""}
    assert not wrong["sent"]
    assert "535" in wrong["error"]
    assert set(seen) == {(b"phoenix", b"secret"), (b"phoenix", b"wrong")}
    assert len(inbox.messages) == 1
    assert "secret" not in str([unset, untrusted, wrong])


def self_signed(folder: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return path
