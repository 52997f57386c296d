"""Sending a digest by e-mail and webhook; what a channel cannot do is told and does not stop the other."""

from __future__ import annotations

import os
import smtplib
import ssl
from collections.abc import Callable
from email.message import EmailMessage
from typing import TypedDict

import httpx
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_exponential

from phoenix.config.site import Alerts, Email, Webhook
from phoenix.errors import ConfigError
from phoenix.model.report import BatchReport
from phoenix.monitor.digest import Digest, build

_TRIES = 3
_SMTP_TIMEOUT_S = 30


class Delivery(TypedDict):
    """What became of a digest on one channel; JSON-ready, so that the batch can keep it.

    ``error`` tells why it was not sent, or who of several did not get it; empty when all is well.
    """

    channel: str
    address: str
    sent: bool
    error: str


def send(report: BatchReport, alerts: Alerts, wait_s: float = 1.0) -> list[Delivery]:
    """Send the digest of a batch to all addresses of the site; return one entry per configured channel.

    Parameters
    ----------
    wait_s : float
        Pause before the second try, seconds; doubled before the third.
    """
    digest = build(report)
    deliveries = []
    if alerts.email is not None:
        deliveries.append(_mail(digest, alerts.email, wait_s))
    if alerts.webhook is not None:
        deliveries.append(_post(digest, alerts.webhook, wait_s))
    return deliveries


def _mail(digest: Digest, email: Email, wait_s: float) -> Delivery:
    address = ", ".join(email.to)
    try:
        # Only connecting is repeated: a message may have gone out although its confirmation was lost.
        with _tries(wait_s, _connection_failed)(_connect, email) as server:
            refused = server.send_message(_message(digest, email))
    except (OSError, smtplib.SMTPException, ConfigError) as error:
        place = f"{email.smtp_host}:{email.smtp_port}"
        said = str(error) or type(error).__name__
        return Delivery(channel="e-mail", address=address, sent=False, error=f"{place}: {said}")
    said = "; ".join(f"{who} refused: {answer[1]!r}" for who, answer in refused.items())
    return Delivery(channel="e-mail", address=address, sent=True, error=said)


def _connect(email: Email) -> smtplib.SMTP:
    password = _password(email)
    server = smtplib.SMTP(email.smtp_host, email.smtp_port, timeout=_SMTP_TIMEOUT_S)
    try:
        if email.starttls:
            server.starttls(context=ssl.create_default_context())
        if email.username is not None:
            server.login(email.username, password)
    except BaseException:
        server.close()
        raise
    return server


def _password(email: Email) -> str:
    if email.username is None:
        return ""
    name = email.password_env or ""
    if name not in os.environ:
        raise ConfigError(
            "phoenix.yaml, field alerts.email.password_env",
            f"there is no environment variable {name!r}",
            "the variable that holds the password",
            "set it where the close-out runs",
        )
    return os.environ[name]


def _message(digest: Digest, email: Email) -> EmailMessage:
    message = EmailMessage()
    message["Subject"] = digest.subject
    message["From"] = email.sender
    message["To"] = ", ".join(email.to)
    message["Message-ID"] = f"<{digest.id}@phoenix>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(digest.text)
    message.add_alternative(digest.html, subtype="html")
    return message


def _post(digest: Digest, webhook: Webhook, wait_s: float) -> Delivery:
    def post() -> None:
        httpx.post(
            webhook.url,
            json=digest.payload,
            timeout=webhook.timeout_s,
            # The receiver may have taken a try whose answer was lost.
            headers={"Idempotency-Key": digest.id},
        ).raise_for_status()

    try:
        _tries(wait_s, _may_pass)(post)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = str(error) or type(error).__name__
        return Delivery(channel="webhook", address=webhook.url, sent=False, error=said)
    return Delivery(channel="webhook", address=webhook.url, sent=True, error="")


def _tries(wait_s: float, worth_it: Callable[[BaseException], bool]) -> Retrying:
    return Retrying(
        stop=stop_after_attempt(_TRIES),
        wait=wait_exponential(multiplier=wait_s),
        retry=retry_if_exception(worth_it),
        reraise=True,
    )


def _connection_failed(error: BaseException) -> bool:
    if isinstance(error, (smtplib.SMTPResponseException, ssl.SSLError)):
        return False
    return isinstance(error, (OSError, smtplib.SMTPServerDisconnected))


def _may_pass(error: BaseException) -> bool:
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.status_code == httpx.codes.TOO_MANY_REQUESTS or error.response.is_server_error
    return isinstance(error, httpx.TransportError)
