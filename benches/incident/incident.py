"""From detection to contained, while clients ask for forecasts.

A keep with four versions that served. Threads ask for forecasts without a pause; meanwhile the
version in service is taken away three times, by a playbook, and a key is suspended. Printed is how
long the incident says that it took from awareness to contained, and what the clients saw.
"""

import http.client
import json
import os
import pathlib
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time

PROGRAM = str(pathlib.Path(sys.argv[1]).resolve())
CLIENTS = 2
VERSIONS = 4


class Place:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.environment = {**os.environ, "XDG_STATE_HOME": str(self.folder / "state")}

    def run(self, *arguments):
        done = subprocess.run([PROGRAM, *arguments, "--json"], cwd=self.folder, env=self.environment,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode != 0:
            raise SystemExit(f"{arguments}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def one(self, *arguments):
        return self.run(*arguments)[0]


def prepare(place):
    place.run("init", "keep", "--key-file", "keep.kek")
    place.run("synth", "feed.tar.gz", "--stays", "240", "--seed", "42")
    place.run("ingest", "feed.tar.gz")
    for seed in range(VERSIONS):
        version = place.one("train", "--seed", str(seed))["version"]
        place.run("model", "release", version, "--reason", "bench", "--without-comparison")
    config = place.folder / "keep/twinkeep.toml"
    text = config.read_text().replace("rate_per_second = 5\n", "rate_per_second = 100000\n")
    config.write_text(text.replace("rate_burst = 10\n", "rate_burst = 100000\n"))


class Client(threading.Thread):
    """Asks without a pause; keeps when each answer came, its status, and its version."""

    def __init__(self, place, address, key, twin):
        super().__init__(daemon=True)
        self.place, self.address, self.key, self.twin = place, address, key, twin
        self.answers, self.stopped = [], False

    def run(self):
        context = ssl.create_default_context(cafile=str(self.place.folder / "keep/public/ca.pem"))
        host, port = self.address.rsplit(":", 1)
        connection = http.client.HTTPSConnection(host, int(port), context=context, timeout=60)
        path = f"/api/v1/twins/{self.twin}/forecast"
        while not self.stopped:
            began = time.monotonic()
            try:
                connection.request("GET", path, headers={"Authorization": f"Bearer {self.key}"})
                response = connection.getresponse()
                body = response.read()
                model = json.loads(body).get("model") if response.status == 200 else None
                self.answers.append((time.monotonic(), time.monotonic() - began, response.status, model))
            except OSError as error:
                self.answers.append((time.monotonic(), time.monotonic() - began, 0, str(error)))
                connection.close()


def main():
    with tempfile.TemporaryDirectory() as folder:
        place = Place(folder)
        prepare(place)
        keys = [place.one("key", "new", f"client-{number}") for number in range(CLIENTS + 1)]
        twin = place.one("twin", "list", "--limit", "1")["twins"][0]["subject"]
        server = subprocess.Popen([PROGRAM, "serve", "--listen", "127.0.0.1:0", "--json"],
                                  cwd=folder, env=place.environment, stdout=subprocess.PIPE, text=True)
        try:
            address = json.loads(server.stdout.readline())["listening"]
            clients = [Client(place, address, key["key"], twin) for key in keys]
            for client in clients:
                client.start()
            time.sleep(3)
            contained, serving, swaps = [], None, []
            for _ in range(VERSIONS - 1):
                models = place.run("model", "list")
                serving = next(line["version"] for line in models if line["state"] == "in-service")
                incident = place.one("incident", "drill", "--as", "model-integrity", "--model", serving)
                returned = time.monotonic()
                assert incident["state"] == "contained", incident
                contained.append(incident["contained_after_us"] / 1000)
                time.sleep(2)
                last = max(at for client in clients[:CLIENTS] for at, _, _, model in client.answers
                           if model == serving)
                swaps.append((last - returned) * 1000)
            suspended = keys[CLIENTS]["id"]
            incident = place.one("incident", "drill", "--as", "extraction", "--identity", f"key:{suspended}")
            returned = time.monotonic()
            time.sleep(2)
            suspension = incident["contained_after_us"] / 1000
            late = [at for at, _, status, _ in clients[CLIENTS].answers if status == 200 and at > returned]
            refused = sum(status == 403 for _, _, status, _ in clients[CLIENTS].answers)
            for client in clients:
                client.stopped = True
            for client in clients:
                client.join()
            answers = [answer for client in clients[:CLIENTS] for answer in client.answers]
            failed = [answer for answer in answers if answer[2] != 200]
            print(json.dumps({
                "clients": CLIENTS + 1,
                "requests": len(answers),
                "failed": len(failed),
                "slowest_ms": round(max(took for _, took, _, _ in answers) * 1000, 1),
                "median_ms": round(statistics.median(took for _, took, _, _ in answers) * 1000, 1),
                "contained_ms": [round(it, 1) for it in contained],
                "last_answer_of_the_old_version_after_return_ms": [round(it, 1) for it in swaps],
                "suspended_ms": round(suspension, 1),
                "answers_to_the_suspended_after_return": len(late),
                "refusals_to_the_suspended": refused,
            }, indent=2))
            if failed or max(contained + [suspension]) >= 1000:
                raise SystemExit("the target was missed: under 1 s, and no failed request")
        finally:
            server.terminate()
            server.wait()


main()
