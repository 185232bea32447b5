"""Probe a served model over HTTPS as those do who copy models, and count how many questions that takes
to be noticed; let people who do nothing of the kind ask as well, and count false alarms. The same for
those who want to know whether somebody was in the training data.

usage: probe.py PROGRAM [FOLDER OF PHYSIONET 2012]

With PhysioNet 2012 the model learns from half of set A, and clients ask about the other half, whom the
keep never saw. Each client and each attacker has an API key of its own; whoever is noticed gets coarser
answers, which is what is counted here. Of the half 60 % teach the model, 20 % tune it, and 20 % are held
out. Who probes for members asks about people of the first 60 %, and for comparison about people whom
the keep never saw.
"""

import collections
import concurrent.futures
import csv
import functools
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
import statistics
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
        lines = self.lines(*args)
        return lines[0] if lines else {}

    def lines(self, *args):
        done = subprocess.run([self.program, *args, "--json"], cwd=self.folder, text=True,
                              capture_output=True, env=self.env)
        if done.returncode:
            raise SystemExit(f"{' '.join(args)}: {done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def make(self, archive, splits=None):
        self.run("init", "keep", "--pack", "icu", "--key-file", "kek")
        self.run("ingest", str(archive))
        version = self.run("train", *(["--splits", str(splits)] if splits else []))["version"]
        self.run("model", "release", version, "--reason", "to be probed")
        config = self.folder / "keep" / "twinkeep.toml"
        lines = [line for line in config.read_text().splitlines() if not line.startswith("rate_")]
        at = lines.index("[gate]") + 1
        config.write_text("\n".join(lines[:at] + ["rate_per_second = 10000", "rate_burst = 10000"] + lines[at:]) + "\n")
        return version

    def key(self):
        return self.named_key()[1]

    def named_key(self):
        """A new key, after the name that the ledger has for it."""
        made = self.run("key", "new", "bench", "--scope", "predict")
        return f"key:{made['id']}", made["key"]

    def alarms(self, names):
        """Callers of these, and by which tests they were noticed: in the order of the ledger, each once."""
        found = self.lines("ledger", "search", "--action", "probing.detected", "--limit", "10000")
        found = [line["details"] for line in found if line["details"]["caller"] in names]
        return list(dict.fromkeys(
            (line["caller"], line["probing"] + (" together" if "together" in line else "")) for line in found))

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
        self.pool, self.spreads = {}, {}
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
        if code not in self.spreads:
            values = sorted(self.pool[code])
            self.spreads[code] = values[int(0.9 * (len(values) - 1))] - values[int(0.1 * (len(values) - 1))]
        return self.spreads[code]

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

    def blurred(self, person, noise):
        """Noise on each value that was measured, as a share of what lies between the 10th and 90th of 100."""
        events = []
        for event in person:
            if "time" in event:
                low, high = self.ranges[event["code"]]
                value = event["value"] + self.draw.gauss(0, noise) * self.spread(event["code"])
                event = {**event, "value": round(min(max(value, low), high), 4)}
            events.append(event)
        return events

    def records(self):
        return self.draw.sample(self.people, len(self.people))

    def copies(self, noise, count, itself=True):
        """Membership: somebody's record and copies with noise, then the next person. Whether answers
        change between neighbors of a record tells members (Shokri et al. 2017 and Carlini et al. 2022
        ask for a record and changed copies of it)."""
        while True:
            for person in self.records():
                if itself:
                    yield person, 24
                for _ in range(count):
                    yield self.blurred(person, noise), 24

    def rounds(self, noise, count):
        """The same, but everybody's record first, and then a copy of each, round after round."""
        people = self.records()[:count]
        for person in people:
            yield person, 24
        while True:
            for person in people:
                yield self.blurred(person, noise), 24

    def boundary(self):
        """Membership: how much noise a record bears until the answer changes (Choquette-Choo et al.
        2021). Three copies each with 1 %, 2 %, 4 %, and so on."""
        while True:
            for person in self.records():
                yield person, 24
                for at in range(8):
                    for _ in range(3):
                        yield self.blurred(person, 0.01 * 2**at), 24

    def hours(self):
        """Membership: how well each hour of a record is forecast by what came before, in order."""
        while True:
            for person in self.records():
                for cut in range(6, 47):
                    yield person, cut

    def in_distribution(self):
        """People as they are, each once."""
        order = self.draw.sample(self.people, len(self.people))
        while True:
            for cut in (24, 12, 36, 18, 30):
                for person in order:
                    yield person, cut


NOISE = 0.05
FOUR = [("members", 1), ("members", 10), ("strangers", 1), ("strangers", 10)]
# Who probes for members: with what, about whom, and with how many keys.
MEMBERSHIP = [
    ("record and 24 copies, noise 5 %", lambda it: it.copies(NOISE, 24), FOUR),
    ("boundary", Attackers.boundary, FOUR),
    *[(f"record and 24 copies, noise {100 * noise:g} %", lambda it, noise=noise: it.copies(noise, 24), [("members", 1)])
      for noise in (0.01, 0.1, 0.2, 0.5, 1.0)],
    ("24 copies without the record", lambda it: it.copies(NOISE, 24, itself=False), [("members", 1)]),
    ("record and 2 copies", lambda it: it.copies(NOISE, 2), [("members", 1)]),
    ("record and 1 copy", lambda it: it.copies(NOISE, 1), [("members", 1)]),
    ("100 records and rounds of copies", lambda it: it.rounds(NOISE, 100), [("members", 1), ("members", 10)]),
    ("record once", lambda it: it.copies(NOISE, 0), [("members", 1)]),
    ("hours in order", Attackers.hours, [("members", 1)]),
]


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


def growing(people, draw):
    """A ward: each person several times as their history grows, some asked about twice."""
    while True:
        person = people[draw.randrange(len(people))]
        for cut in sorted(draw.sample(range(6, 47), 4)):
            for _ in range(2 if draw.random() < 0.2 else 1):
                yield person, cut


def window(people, draw, hours):
    """A ward that asks every so many hours, with what it has of the last 24."""
    while True:
        person = people[draw.randrange(len(people))]
        for cut in range(24, 47, hours):
            yield [event for event in person if cut - 24 < event.get("time", cut)], cut


def late(people, draw, hours):
    """A ward that asks every so many hours, and has values of the laboratory two hours after blood was taken."""
    while True:
        person = people[draw.randrange(len(people))]
        for cut in range(6, 47, hours):
            yield [event for event in person if event["code"] not in LABORATORY or event["time"] <= cut - 2], cut


LABORATORY = {"ALP", "ALT", "AST", "Albumin", "BUN", "Bilirubin", "Cholesterol", "Creatinine", "Glucose", "HCO3",
              "HCT", "K", "Lactate", "Mg", "Na", "PaCO2", "PaO2", "Platelets", "TroponinI", "TroponinT", "WBC", "pH"}


def behave(keep, key, questions):
    """Whether any of so many answers was not full."""
    client, alarmed, asked = Client(keep, key), False, 0
    for events, cut in questions:
        full = client.ask(events, cut)
        asked += full is not None
        alarmed |= full is False
        if asked == QUESTIONS:
            return alarmed


def ward(keep, pool, count, what, questions):
    """So many clients who mean no harm: prints how many had a coarser answer, and by which tests."""
    keys = [keep.named_key() for _ in range(count)]
    began = time.monotonic()
    with keep:
        alarmed = sum(pool.map(lambda at: behave(keep, keys[at][1], questions(random.Random(at))), range(count)))
    took = time.monotonic() - began
    print(f"benign, {what}: {alarmed} of {count} clients alarmed in {count * QUESTIONS} questions "
          f"(95 % interval up to {100 * upper(alarmed, count):.1f} % of clients), "
          f"by test: {counted(keep.alarms({name for name, _ in keys}))}; {took:.0f} s", flush=True)


def counted(tests):
    """How many callers or runs each test noticed."""
    tests = collections.Counter(test for _, test in tests)
    return ", ".join(f"{test} {count}" for test, count in tests.most_common()) or "none"


def told(found):
    """Several runs of an attacker: each, and the median if all were noticed."""
    after = [asked for asked, _ in found]
    each = ", ".join(str(it) if it is not None else f"none in {LIMIT}" for it in after)
    noticed = [it for it in after if it is not None]
    middle = ""
    if len(noticed) == len(after):
        middle = f" (median {statistics.median(noticed):g}, {min(noticed)} to {max(noticed)})"
    tests = {(run, test) for run, (_, alarms) in enumerate(found) for _, test in alarms}
    return (f"noticed after {each} questions{middle}, in {len(noticed)} of {len(after)} runs, "
            f"by test: {counted(sorted(tests))}")


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
            path, splits = pathlib.Path(folder) / "half.tar.gz", pathlib.Path(folder) / "splits.csv"
            with tarfile.open(path, "w:gz") as archive:
                for name, text in learned:
                    info = tarfile.TarInfo(name)
                    info.size = len(text)
                    archive.addfile(info, io.BytesIO(text))
            taught, tuned = len(learned) * 6 // 10, len(learned) * 8 // 10
            with open(splits, "w") as file:
                file.write("subject_id,split\n")
                for at, (name, _) in enumerate(learned):
                    split = "train" if at < taught else "tuning" if at < tuned else "held_out"
                    file.write(f"{pathlib.Path(name).stem},{split}\n")
            source = "PhysioNet 2012"
        else:
            raise SystemExit("put set-a.tar.gz of PhysioNet 2012 into the folder")
        version = keep.make(path, splits)
        rest = [events for events in (history(text, kinds) for _, text in rest) if usable(events)]
        draw.shuffle(rest)
        benign, theirs = rest[: len(rest) * 3 // 4], rest[len(rest) * 3 // 4 :]
        members = [events for events in (history(text, kinds) for _, text in learned[:taught]) if usable(events)]
        print(f"{source}: {version} was made from {len(learned)} people, {taught} of them in training; "
              f"{len(rest)} others are asked about", flush=True)
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            for whom, people in [("never seen", benign), ("of the training data", members)]:
                ward(keep, pool, CLIENTS, f"people {whom}, as histories grow", functools.partial(growing, people))
                for how, questions in [("the last 24 hours only", window), ("laboratory late", late)]:
                    for hours in (1, 4):
                        ward(keep, pool, max(CLIENTS // 10, 1), f"people {whom}, {how}, every {hours} h",
                             functools.partial(questions, people, hours=hours))
        plain = [(name, several, name, theirs, getattr(Attackers, name))
                 for several in (1, 10) for name in ("random", "marginals", "steps", "line", "in_distribution")]
        about = {"members": members, "strangers": theirs}
        probes = [(f"{name}, about {whom}", several, name, about[whom], questions)
                  for name, questions, rows in MEMBERSHIP for whom, several in rows]
        for title, several, name, people, questions in plain + probes:
            found = []
            for run in range(RUNS):
                attackers = Attackers(people, ranges, random.Random(1000 * run + len(name)))
                keys = [keep.named_key() for _ in range(several)]
                with keep:
                    asked = attack(keep, [key for _, key in keys], questions(attackers))
                found.append((asked, keep.alarms({name for name, _ in keys})))
            print(f"{title} with {several} key(s): {told(found)}", flush=True)
        for line in keep.run("probe", "limits"),:
            print(f"different inputs in a day: {line['inputs_a_day']} ({line['because']})")


if __name__ == "__main__":
    main()
