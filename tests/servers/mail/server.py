"""A mail server for tests: aiosmtpd on a free port of localhost, with STARTTLS and a login.

    python server.py USER PASSWORD

Prints its port, and then one JSON object for each mail. The certificate is signed by authority.pem, which is made for
tests alone and trusted by nobody.
"""

import email
import email.policy
import json
import pathlib
import socket
import ssl
import sys
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword

HERE = pathlib.Path(__file__).parent


class Printer:
    """Prints what it is handed."""

    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        told = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": mail["Subject"],
            "text": mail.get_content(),
            "raw": envelope.content.decode("ascii"),
        }
        print(json.dumps(told), flush=True)
        return "250 taken"


def main() -> None:
    user, password = (word.encode() for word in sys.argv[1:])

    def authenticator(server, session, envelope, mechanism, login):
        known = isinstance(login, LoginPassword) and (login.login, login.password) == (user, password)
        return AuthResult(success=known, handled=False)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(HERE / "server.pem", HERE / "server.key")
    controller = Controller(
        Printer(),
        hostname="127.0.0.1",
        port=0,
        tls_context=context,
        require_starttls=True,
        authenticator=authenticator,
        auth_required=True,
    )

    def greeted() -> None:
        # The controller asks for its own port, which is that of the socket and not the one it was given.
        with socket.create_connection(controller.server.sockets[0].getsockname()[:2], timeout=5) as client:
            client.recv(64)

    controller._trigger_server = greeted
    controller.start()
    print(controller.server.sockets[0].getsockname()[1], flush=True)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
