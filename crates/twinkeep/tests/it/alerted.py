"""Those who are told: a webhook, which verifies by the reference library of Standard Webhooks, and
a mail server, which asks for TLS and a login. What they got goes into a file, one JSON a line.

alerted.py webhook PORT CERTIFICATE KEY OUT SECRET STATUSES   answers with each status in turn
alerted.py mail    PORT CERTIFICATE KEY OUT USER PASSWORD STARTTLS|IMPLICIT|PLAIN [STATUS]
alerted.py ocsf    FILE                                       validates each line by py-ocsf-models
"""

import http.server
import json
import ssl
import sys


def tls(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


def got(path, what):
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(what) + "\n")


def webhook(port, certificate, key, out, secret, statuses):
    from standardwebhooks.webhooks import Webhook

    statuses = [int(status) for status in statuses.split(",")]
    count = 0

    class Receiver(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            nonlocal count
            body = self.rfile.read(int(self.headers["content-length"]))
            names = ("webhook-id", "webhook-timestamp", "webhook-signature", "content-type")
            headers = {name: self.headers[name] for name in names}
            try:
                Webhook(secret).verify(body, headers)
                verified = True
            except Exception:
                verified = False
            status = statuses[min(count, len(statuses) - 1)]
            count += 1
            got(out, {"path": self.path, "headers": headers, "verified": verified,
                      "body": json.loads(body), "status": status})
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("location", f"https://localhost:{port}/elsewhere")
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", int(port)), Receiver)
    server.socket = tls(certificate, key).wrap_socket(server.socket, server_side=True,
                                                      do_handshake_on_connect=False)
    server.serve_forever()


def mail(port, certificate, key, out, user, password, mode, status=None):
    import asyncio

    from aiosmtpd.smtp import SMTP, AuthResult

    def authenticate(_server, _session, _envelope, mechanism, data):
        fine = (data.login, data.password) == (user.encode(), password.encode())
        return AuthResult(success=fine and mechanism == "PLAIN")

    class Handler:
        async def handle_DATA(self, _server, session, envelope):
            if status:
                return status
            got(out, {"from": envelope.mail_from, "to": envelope.rcpt_tos,
                      "tls": session.ssl is not None or mode == "IMPLICIT",
                      "user": session.authenticated and user,
                      "text": envelope.content.decode("ascii")})
            return "250 taken"

    def factory():
        return SMTP(Handler(), authenticator=authenticate, auth_required=mode != "PLAIN",
                    require_starttls=mode == "STARTTLS", hostname="localhost",
                    auth_require_tls=mode == "STARTTLS",
                    tls_context=tls(certificate, key) if mode == "STARTTLS" else None)

    async def serve():
        context = tls(certificate, key) if mode == "IMPLICIT" else None
        loop = asyncio.get_running_loop()
        server = await loop.create_server(factory, "127.0.0.1", int(port), ssl=context)
        await server.serve_forever()

    asyncio.run(serve())


def ocsf(path):
    from py_ocsf_models.events.findings.detection_finding import DetectionFinding

    for line in open(path, encoding="utf-8"):
        DetectionFinding.model_validate(json.loads(line))
        print("valid")


{"webhook": webhook, "mail": mail, "ocsf": ocsf}[sys.argv[1]](*sys.argv[2:])
