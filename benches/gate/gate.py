"""The gate beside nginx on loopback: processor time of the server for each request, latency, and
memory of idle connections. Both take turns; a ratio is the median over rounds.

    gate.py TWINKEEP CLIENT NGINX
"""

import json
import os
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

TWINKEEP, CLIENT, NGINX = (os.path.abspath(path) for path in sys.argv[1:4])
SECONDS = int(os.environ.get("SECONDS_EACH", "4"))
ROUNDS = int(os.environ.get("ROUNDS", "5"))
IDLE = [int(count) for count in os.environ.get("IDLE", "1000,10000").split(",")]
HERE = os.path.dirname(os.path.abspath(__file__))
TICK = os.sysconf("SC_CLK_TCK")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def family(root):
    """A process and all that came from it."""
    found, parents = [root], {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as file:
                parents[int(name)] = int(file.read().rsplit(")", 1)[1].split()[1])
        except OSError:
            pass
    for process in found:
        found += [child for child, parent in parents.items() if parent == process]
    return found


def cpu(root):
    """Seconds of processor time of a server, all of its processes together."""
    total = 0
    for process in family(root):
        try:
            with open(f"/proc/{process}/stat") as file:
                fields = file.read().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        except OSError:
            pass
    return total / TICK


def memory(root):
    """KiB that a server has in memory, what its processes share counted once."""
    total = 0
    for process in family(root):
        try:
            with open(f"/proc/{process}/smaps_rollup") as file:
                total += int(re.search(r"^Pss:\s+(\d+)", file.read(), re.M)[1])
        except OSError:
            pass
    return total


def wrk(url, key=None, close=False, connections=16):
    args = ["wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", "--latency"]
    args += ["-H", f"Authorization: Bearer {key}"] if key else []
    args += ["-H", "Connection: close"] if close else []
    out = subprocess.run(args + [url], check=True, capture_output=True, text=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)|Socket errors:.*", out)
    assert not bad or close, out
    number, unit = re.search(r"50%\s+([\d.]+)(us|ms|s)", out).groups()
    latency = float(number) * {"us": 1, "ms": 1000, "s": 1e6}[unit]
    return int(re.search(r"(\d+) requests in", out)[1]), latency


def h2load(url, key):
    args = ["h2load", "-t1", "-c4", "-m16", f"-D{SECONDS}", "-H", f"authorization: Bearer {key}"]
    out = subprocess.run(args + [url], check=True, capture_output=True, text=True).stdout
    assert re.search(r" 0 failed, 0 errored", out), out
    latency = re.search(r"time for request:.*", out)[0].split()[5]
    scale = {"us": 1, "ms": 1000}.get(latency[-2:], 1e6)
    return int(re.search(r"(\d+) succeeded", out)[1]), float(latency.rstrip("usm")) * scale


def handshakes(address, ca, group, own=()):
    args = [CLIENT, "handshakes", address, ca, group, str(SECONDS), *own]
    started = time.monotonic()
    count = int(subprocess.run(args, check=True, capture_output=True, text=True).stdout)
    return count, (time.monotonic() - started) / count * 1e6


def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Nginx:
    def __init__(self, folder, key):
        self.port, self.mtls, self.backend = free_port(), free_port(), free_port()
        ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        at = lambda name: os.path.join(folder, name)
        name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        name += ["-addext", "basicConstraints=critical,CA:FALSE"]
        openssl("req", "-x509", *ec, *name, "-keyout", at("nginx.key"), "-out", at("nginx.pem"))
        with open(at("client.ext"), "w") as file:
            file.write("extendedKeyUsage=clientAuth\n")
        openssl("req", "-x509", *ec, "-subj", "/CN=ca", "-keyout", at("ca.key"), "-out", at("client-ca.pem"))
        openssl("req", "-new", *ec, "-subj", "/CN=client", "-keyout", at("client.key"), "-out", at("client.csr"))
        openssl("x509", "-req", "-in", at("client.csr"), "-CA", at("client-ca.pem"), "-CAkey", at("ca.key"),
                "-CAcreateserial", "-days", "2", "-out", at("client.pem"), "-extfile", at("client.ext"))
        with open(at("key"), "w") as file:
            file.write("ok\n")
        with open(os.path.join(HERE, "../../docs/benchmarks-nginx.conf")) as file:
            text = file.read()
        words = {"DIR": folder, "KEY": key, "BACKEND": self.backend, "PORT": self.port, "MTLS": self.mtls}
        for word, value in words.items():
            text = re.sub(rf"\b{word}\b", str(value), text)
        with open(at("nginx.conf"), "w") as file:
            file.write(text)
        self.process = subprocess.Popen([NGINX, "-p", folder, "-c", at("nginx.conf")], stderr=subprocess.PIPE, text=True)
        self.url, self.ca = f"https://127.0.0.1:{self.port}", at("nginx.pem")
        self.own = [at("client.pem"), at("client.key")]
        wait(self.port, self.process)


class Gate:
    def __init__(self, folder):
        self.folder = folder
        self.run("init", "keep", "--pack", "icu", "--key-file", "keep.kek")
        self.run("key", "new", "bench", "--scope", "upstreams:use", "--scope", "twins:read", "--out", "bench.key")
        with open(os.path.join(folder, "bench.key")) as file:
            self.key = file.read().strip()

    def run(self, *args):
        env = {**os.environ, "XDG_STATE_HOME": os.path.join(self.folder, "state")}
        done = subprocess.run([TWINKEEP, *args, "--json"], cwd=self.folder, env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[0]) if done.stdout else {}

    def start(self, backend, certificates="off"):
        if certificates != "off":
            self.run("cert", "issue", "client", "--out", ".")
            self.own = [os.path.join(self.folder, name) for name in ["client.pem", "client.key"]]
        path = os.path.join(self.folder, "keep/twinkeep.toml")
        with open(path) as file:
            text = file.read()
        for name, value in {
            "rate_per_second": 1_000_000, "rate_burst": 1_000_000,
            "connection_count_max": 15_000, "connection_count_per_address_max": 15_000,
        }.items():
            text = re.sub(rf"(?m)^{name} = .*$", f"{name} = {value}", text)
        text = text.replace('client_certificates = "off"', f'client_certificates = "{certificates}"')
        text += f'\n[[upstream]]\nname = "model"\npath = "/model/"\nurl = "http://127.0.0.1:{backend}/"\n'
        with open(path, "w") as file:
            file.write(text)
        env = {**os.environ, "XDG_STATE_HOME": os.path.join(self.folder, "state")}
        self.process = subprocess.Popen(
            [TWINKEEP, "serve", "--listen", "127.0.0.1:0", "--json"],
            cwd=self.folder, env=env, stdout=subprocess.PIPE, text=True)
        address = json.loads(self.process.stdout.readline())["listening"]
        self.port = int(address.rsplit(":", 1)[1])
        self.url, self.ca = f"https://{address}", os.path.join(self.folder, "keep/public/ca.pem")


def wait(port, process):
    for _ in range(600):
        assert process.poll() is None, process.stderr.read()
        try:
            return socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the server did not come")


def measure(root, load):
    """Microseconds of processor time for each request, and the median latency."""
    before = cpu(root)
    count, latency = load()
    return (cpu(root) - before) / count * 1e6, latency


def compare(name, target, gate, nginx, ours, theirs):
    rounds = [(measure(gate.process.pid, ours), measure(nginx.process.pid, theirs)) for _ in range(ROUNDS)]
    median = lambda pick: statistics.median(pick(one) for one in rounds)
    ratio = median(lambda one: one[0][0] / one[1][0])
    figures = [median(lambda one: one[0][0]), median(lambda one: one[1][0])]
    waits = [median(lambda one: one[0][1]), median(lambda one: one[1][1])]
    print(f"| {name} | {figures[0]:.1f} | {figures[1]:.1f} | {ratio:.2f}× | {target} "
          f"| {waits[0]:,.0f} | {waits[1]:,.0f} |", flush=True)


def idle(name, server, count):
    before = memory(server.process.pid)
    args = [CLIENT, "idle", f"127.0.0.1:{server.port}", server.ca, str(count)]
    client = subprocess.Popen(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert client.stdout.readline() == "ready\n"
    time.sleep(1)
    held = memory(server.process.pid)
    asked, waited = wrk(f"{server.url}/healthz")
    loaded = memory(server.process.pid)
    client.stdin.close()
    alive = int(client.stdout.readline())
    client.wait()
    assert alive == count, f"{alive} of {count} were still served"
    print(f"| {name} | {count:,} | {(held - before) / count:.1f} | {loaded / 1024:.0f} "
          f"| {asked / SECONDS:,.0f} | {waited:,.0f} |", flush=True)


def mtls(folder, nginx):
    """Handshakes in which both sides prove who they are; a client without a certificate gets nothing."""
    os.mkdir(os.path.join(folder, "mtls"))
    gate = Gate(os.path.join(folder, "mtls"))
    gate.start(nginx.backend, "required")
    try:
        ours = lambda: handshakes(f"127.0.0.1:{gate.port}", gate.ca, "classic", gate.own)
        theirs = lambda: handshakes(f"127.0.0.1:{nginx.mtls}", nginx.ca, "classic", nginx.own)
        compare("full handshake with client certificate, X25519", "≤ 0.50×", gate, nginx, ours, theirs)
    finally:
        gate.process.send_signal(signal.SIGTERM)
        gate.process.wait()


def main():
    with tempfile.TemporaryDirectory() as folder:
        gate = Gate(folder)
        nginx = Nginx(folder, gate.key)
        gate.start(nginx.backend)
        key = gate.key
        print("| work | twinkeep, µs of CPU | nginx, µs of CPU | ratio | target | twinkeep, µs of waiting | nginx |")
        print("|---|---|---|---|---|---|---|")
        try:
            both = lambda load: (lambda: load(gate), lambda: load(nginx))
            compare("answer to anybody", "-", gate, nginx, *both(lambda at: wrk(f"{at.url}/healthz")))
            checkpoint = lambda: wrk(f"{gate.url}/api/v1/ledger/checkpoint", key)
            beside = lambda: wrk(f"{nginx.url}/key", key)
            compare("API key, limit, headers", "≤ 0.85×", gate, nginx, checkpoint, beside)
            full = lambda: wrk(f"{gate.url}/api/v1/twins?limit=1", key)
            compare("all of it: policy, budget, ledger", "≤ 1.10×", gate, nginx, full, beside)
            compare("reverse proxy (ours with policy and ledger)", "≤ 1.0×", gate, nginx, *both(lambda at: wrk(f"{at.url}/model/a", key)))
            h2 = lambda: h2load(f"{gate.url}/api/v1/ledger/checkpoint", key)
            compare("API key over HTTP/2", "≤ 1.15×", gate, nginx, h2, lambda: h2load(f"{nginx.url}/key", key))
            at = lambda server, port=None: f"127.0.0.1:{port or server.port}"
            classic = lambda server: handshakes(at(server), server.ca, "classic")
            compare("full handshake, X25519", "≤ 0.60×", gate, nginx, *both(classic))
            compare("full handshake, X25519MLKEM768 (nginx: X25519)", "≤ 0.75×", gate, nginx,
                    lambda: handshakes(at(gate), gate.ca, "pq"), lambda: classic(nginx))
            mtls(folder, nginx)
            print("\n| idle connections of | how many | KiB each | MiB in all, under load | requests/s beside | µs of waiting |")
            print("|---|---|---|---|---|---|")
            for count in IDLE:
                idle("twinkeep", gate, count)
                idle("nginx", nginx, count)
        finally:
            gate.process.send_signal(signal.SIGTERM)
            nginx.process.send_signal(signal.SIGTERM)
            gate.process.wait()
            nginx.process.wait()


main()
