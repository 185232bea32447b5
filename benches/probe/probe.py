"""Probe a served model over HTTPS as those do who copy models, and count how many questions that takes
to be noticed; let people who do nothing of the kind ask as well, and count false alarms.

usage: probe.py PROGRAM [FOLDER OF PHYSIONET 2012]

With PhysioNet 2012 the model learns from half of set A, and clients ask about the other half, whom the
keep never saw. Without it both are made by `twinkeep synth`. Each client and each attacker has an API
key of its own; whoever is noticed gets coarser answers, which is what is counted here.
"""

import concurrent.futures
import csv
import http.client
import io
import json
import math
import os
import pathlib
import random
import re
import socket
import ssl
import subprocess
import sys
import tarfile
import tempfile
import time
import tomllib

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = int(os.environ.get("CLIENTS", 200))
QUESTIONS = int(os.environ.get("QUESTIONS", 60))
LIMIT = int(os.environ.get("LIMIT", 400))
RUNS = int(os.environ.get("RUNS", 5))


class Keep:
    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.env = {**os.environ, "XDG_STATE_HOME": f"{folder}/state"}
        self.server = None

    def run(self, *args):
        done = subprocess.run([self.program, *args, "--json"], cwd=self.folder, text=True,
                              capture_output=True, env=self.env)
        if done.returncode:
            raise SystemExit(f"{' '.join(args)}: {done.stderr}")
        return json.loads(done.stdout.splitlines()[0]) if done.stdout.strip() else {}

    def make(self, archive):
        self.run("init", "keep", "--pack", "icu", "--key-file", "kek")
        self.run("ingest", str(archive))
        version = self.run("train")["version"]
        self.run("model", "release", version, "--reason", "to be probed")
        config = self.folder / "keep" / "twinkeep.toml"
        lines = [line for line in config.read_text().splitlines() if not line.startswith("rate_")]
        at = lines.index("[gate]") + 1
        config.write_text("\n".join(lines[:at] + ["rate_per_second = 10000", "rate_burst = 10000"] + lines[at:]) + "\n")
        return version

    def key(self):
        return self.run("key", "new", "bench", "--scope", "predict")["key"]

    def __enter__(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server = subprocess.Popen(
            [self.program, "serve", "--listen", f"127.0.0.1:{self.port}", "--quiet"],
            cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.trust = ssl.create_default_context(cafile=str(self.folder / "keep" / "public" / "ca.pem"))
        for _ in range(600):
            try:
                connection = http.client.HTTPSConnection("localhost", self.port, context=self.trust)
                connection.request("GET", "/healthz")
                if connection.getresponse().status == 200:
                    return self
            except OSError:
                time.sleep(0.1)
        raise SystemExit("the server does not answer")

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()


class Client:
    """Somebody with a key, on a connection of their own."""

    def __init__(self, keep, key):
        self.key = key
        self.line = http.client.HTTPSConnection("localhost", keep.port, context=keep.trust)

    def ask(self, events, cut):
        """Whether the answer is full; None if the question was not one."""
        while True:
            known = [event for event in events if event.get("time", 0) <= cut]
            if not any("time" in event for event in known):
                return None
            body = json.dumps({"events": known, "prediction_time": cut, "horizons_hours": [6]})
            self.line.request("POST", "/api/v1/predict", body, {
                "Authorization": f"Bearer {self.key}", "Content-Type": "application/json"})
            answer = self.line.getresponse()
            text = answer.read()
            if answer.status == 200:
                found = json.loads(text)
                return not (found.get("coarse") or found.get("labels_only"))
            if answer.status == 403 and b'"probing"' in text:
                return False
            wrong = re.search(rb"event (\d+):", text)
            if not wrong:
                raise SystemExit(f"{answer.status} {text[:300]}")
            # A value that the pack does not believe: this client leaves it out.
            bad = known[int(wrong[1])]
            events = [event for event in events if event is not bad]


def physionet(folder):
    """Histories of PhysioNet 2012: lists of events."""
    people = []
    with tarfile.open(folder / "set-a.tar.gz") as archive:
        for member in archive:
            if member.name.endswith(".txt"):
                people.append((member.name, archive.extractfile(member).read()))
    return people


def history(text, names):
    events = []
    for row in csv.DictReader(io.StringIO(text.decode())):
        name, value = row["Parameter"], float(row["Value"])
        if name not in names or value < 0:
            continue
        hours, minutes = row["Time"].split(":")
        kind = names[name]
        event = {"code": name, "value": value}
        if kind == "series":
            event["time"] = int(hours) + int(minutes) / 60
        events.append(event)
    return events


def pack_names():
    pack = tomllib.loads((HERE / "../../packs/icu.toml").read_text())
    kinds, ranges = {}, {}
    for variable in pack["variable"]:
        kinds[variable["code"]] = variable["kind"]
        ranges[variable["code"]] = variable["range"]
    return kinds, ranges


def usable(events):
    return sum("time" in event for event in events) > 60


class Attackers:
    """Each yields (events, cut) without end."""

    def __init__(self, people, ranges, draw):
        self.people, self.ranges, self.draw = people, ranges, draw
        self.pool = {}
        for person in people:
            for event in person:
                self.pool.setdefault(event["code"], []).append(event["value"])

    def structures(self):
        while True:
            yield self.draw.choice(self.people), self.draw.choice([12, 18, 24, 36])

    def random(self):
        """Values from all of each variable's plausible range, at the times of somebody's."""
        for person, cut in self.structures():
            yield [{**event, "value": round(self.draw.uniform(*self.ranges[event["code"]]), 3)} for event in person], cut

    def marginals(self):
        """Each value drawn anew from all values of its variable."""
        for person, cut in self.structures():
            yield [{**event, "value": self.draw.choice(self.pool[event["code"]])} for event in person], cut

    def spread(self, code):
        values = sorted(self.pool[code])
        return values[int(0.9 * (len(values) - 1))] - values[int(0.1 * (len(values) - 1))]

    def moved(self, person, steps):
        events = []
        for event in person:
            low, high = self.ranges[event["code"]]
            value = event["value"] + steps.get(event["code"], 0) * self.spread(event["code"])
            events.append({**event, "value": round(min(max(value, low), high), 4)})
        return events

    def steps(self):
        """Jacobian-based augmentation: each known question, and all of its values a step further."""
        known = [(person, 24, {}) for person in self.draw.sample(self.people, 10)]
        for person, cut, _ in known:
            yield person, cut
        while True:
            for person, cut, steps in list(known):
                further = {code: steps.get(code, 0) + self.draw.choice([-0.1, 0.1]) for code in self.ranges}
                known.append((person, cut, further))
                yield self.moved(person, further), cut

    def line(self):
        """Halving between two values of one variable of one person, then the next variable."""
        while True:
            person = self.draw.choice(self.people)
            codes = sorted({event["code"] for event in person if "time" in event})
            for code in self.draw.sample(codes, min(5, len(codes))):
                low, high = -1.0, 1.0
                for _ in range(12):
                    middle = (low + high) / 2
                    yield self.moved(person, {code: middle}), 24
                    low, high = (middle, high) if self.draw.random() < 0.5 else (low, middle)

    def in_distribution(self):
        """People as they are, each once."""
        order = self.draw.sample(self.people, len(self.people))
        while True:
            for cut in (24, 12, 36, 18, 30):
                for person in order:
                    yield person, cut


def attack(keep, keys, questions):
    """How many questions were answered in full before the first that was not."""
    clients = [Client(keep, key) for key in keys]
    asked = 0
    for events, cut in questions:
        full = clients[asked % len(clients)].ask(events, cut)
        if full is None:
            continue
        if not full:
            return asked
        asked += 1
        if asked == LIMIT:
            return None
        # Answers go out before questions are looked at.
        time.sleep(0.002)


def behave(keep, key, people, draw):
    """A ward: each person several times as their history grows, some asked about twice."""
    client, alarmed, asked = Client(keep, key), False, 0
    while asked < QUESTIONS:
        person = people[draw.randrange(len(people))]
        for cut in sorted(draw.sample(range(6, 47), 4)):
            for _ in range(2 if draw.random() < 0.2 else 1):
                full = client.ask(person, cut)
                asked += full is not None
                alarmed |= full is False
    return alarmed


def upper(count, of):
    """The upper end of the 95 % interval of a share (Clopper and Pearson 1934)."""
    def tail(p):
        return sum(math.comb(of, k) * p**k * (1 - p) ** (of - k) for k in range(count + 1))
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if tail(middle) > 0.025 else (low, middle)
    return high


def main():
    program = os.path.abspath(sys.argv[1])
    data = pathlib.Path(sys.argv[2]).resolve() if len(sys.argv) > 2 else None
    kinds, ranges = pack_names()
    draw = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        keep = Keep(program, folder)
        if data and (data / "set-a.tar.gz").exists():
            everybody = physionet(data)
            count = int(os.environ.get("PEOPLE", len(everybody)))
            everybody = everybody[:count]
            learned, rest = everybody[: count // 2], everybody[count // 2 :]
            path = pathlib.Path(folder) / "half.tar.gz"
            with tarfile.open(path, "w:gz") as archive:
                for name, text in learned:
                    info = tarfile.TarInfo(name)
                    info.size = len(text)
                    archive.addfile(info, io.BytesIO(text))
            source = "PhysioNet 2012"
        else:
            raise SystemExit("put set-a.tar.gz of PhysioNet 2012 into the folder")
        version = keep.make(path)
        rest = [events for events in (history(text, kinds) for _, text in rest) if usable(events)]
        draw.shuffle(rest)
        benign, theirs = rest[: len(rest) * 3 // 4], rest[len(rest) * 3 // 4 :]
        print(f"{source}: {version} learned from {len(learned)} people; {len(rest)} others are asked about")
        keys = [keep.key() for _ in range(CLIENTS)]
        with keep, concurrent.futures.ThreadPoolExecutor(4) as pool:
            began = time.monotonic()
            alarmed = list(pool.map(lambda at: behave(keep, keys[at], benign, random.Random(at)), range(CLIENTS)))
            took = time.monotonic() - began
        count = sum(alarmed)
        print(f"benign: {count} of {CLIENTS} clients alarmed in {CLIENTS * QUESTIONS} questions "
              f"(95 % interval up to {100 * upper(count, CLIENTS):.1f} % of clients), {took:.0f} s")
        for name, several in [("random", 1), ("marginals", 1), ("steps", 1), ("line", 1), ("in_distribution", 1),
                              ("random", 10), ("marginals", 10), ("line", 10)]:
            found = []
            for run in range(RUNS):
                attackers = Attackers(theirs, ranges, random.Random(1000 * run + len(name)))
                keys = [keep.key() for _ in range(several)]
                with keep:
                    found.append(attack(keep, keys, getattr(attackers, name)()))
            told = [str(it) if it is not None else f"none in {LIMIT}" for it in found]
            print(f"{name} with {several} key(s): noticed after {', '.join(told)} questions", flush=True)
        for line in keep.run("probe", "limits"),:
            print(f"different inputs in a day: {line['inputs_a_day']} ({line['because']})")


if __name__ == "__main__":
    main()
