"""Copy a served model by its coarse answers, and see whether `twinkeep probe mark` tells the copies.

usage: mark.py PROGRAM FOLDER_OF_PHYSIONET_2012

The model learns from a quarter of set A. Callers probe it over HTTPS until their answers are coarse, and
go on asking; what they get trains students (LightGBM, the mean of five neighbors, ridge regression). The
suspects are asked the questions of `probe questions`. Innocent are models that learned from what came
true, or from the model's full answers: none of them may be called marked.
"""

import concurrent.futures
import json
import os
import pathlib
import random
import re
import sys
import tarfile
import tempfile
import time
import io
import warnings

import lightgbm
import numpy

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "probe"))
import probe  # noqa: E402

PEOPLE = int(os.environ.get("PEOPLE", 2000))
COUNTS = [int(count) for count in os.environ.get("COUNTS", "100 500 2000 10000").split()]
QUESTIONS = int(os.environ.get("QUESTIONS", 1000))
INNOCENT = int(os.environ.get("INNOCENT", 200))
LIMIT = 0.001


class Asker(probe.Client):
    def answer(self, events, cut):
        """What was asked in the end, and the answer; None if it was no question."""
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
                return known, json.loads(text)
            wrong = re.search(rb"event (\d+):", text)
            if not wrong:
                raise SystemExit(f"{answer.status} {text[:300]}")
            bad = known[int(wrong[1])]
            events = [event for event in events if event is not bad]


class Table:
    """Histories as features, and what is known of the targets of each."""

    def __init__(self, codes):
        self.codes, self.rows, self.targets = codes, [], {}

    def add(self, events, cut, targets):
        values = {}
        for event in events:
            values.setdefault(event["code"], []).append((event.get("time", 0), event["value"]))
        row = [cut]
        for code in self.codes:
            known = sorted(values.get(code, []))
            of = [value for _, value in known]
            row += [of[-1], sum(of) / len(of), min(of), max(of), cut - known[-1][0], len(of)] if of else [numpy.nan] * 6
        for code, value in targets.items():
            self.targets.setdefault(code, {})[len(self.rows)] = value
        self.rows.append(row)

    def x(self):
        return numpy.array(self.rows, dtype=float)

    def y(self, code, count):
        column = numpy.full(count, numpy.nan)
        for at, value in self.targets.get(code, {}).items():
            if at < count:
                column[at] = value
        return column


def median_of(answer):
    return {target["code"]: target["points"][0]["q50"] for target in answer["targets"]
            if target["kind"] == "value" and target["points"]}


def boosted(x, y, asked):
    parameters = {"objective": "l2", "learning_rate": 0.12, "num_leaves": 15, "min_data_in_leaf": 10,
                  "max_bin": 63, "verbose": -1, "num_threads": 1, "seed": 1}
    return lightgbm.train(parameters, lightgbm.Dataset(x, y), 60).predict(asked)


def scaled(x, asked):
    middle = numpy.nan_to_num(numpy.nanmedian(x, 0))
    width = numpy.nan_to_num(numpy.nanstd(x, 0))
    width[width == 0] = 1
    return [numpy.clip((numpy.where(numpy.isnan(it), middle, it) - middle) / width, -6, 6) for it in (x, asked)]


def line(x, y):
    return numpy.linalg.solve(x.T @ x + 10 * numpy.eye(x.shape[1]), x.T @ (y - y.mean()))


def ridge(x, y, asked):
    x, asked = scaled(x, asked)
    return asked @ line(x, y) + y.mean()


def neighbors(x, y, asked):
    """The mean of five; features count as much as a line needs them."""
    x, asked = scaled(x, asked)
    weights = numpy.abs(line(x, y))
    x, asked = x * weights, asked * weights
    apart = (asked**2).sum(1)[:, None] + (x**2).sum(1)[None] - 2 * asked @ x.T
    return y[numpy.argpartition(apart, 5, axis=1)[:, :5]].mean(1)


STUDENTS = {"LightGBM": boosted, "5 neighbors": neighbors, "ridge": ridge}


def learn(student, table, rows, asked, codes):
    """What a student answers, by target."""
    x = table.x()
    answers = {}
    for code in codes:
        y = table.y(code, len(x))
        ok = rows & numpy.isfinite(y)
        if 40 <= ok.sum():
            answers[code] = student(x[ok], y[ok], asked)
    return answers


def write(path, answers, count):
    with open(path, "w") as file:
        for at in range(count):
            targets = [{"code": code, "points": [{"q50": round(float(of[at]), 5)}]} for code, of in answers.items()]
            file.write(json.dumps({"targets": targets}) + "\n")


def gather(keep, key, questions, table, count):
    """Asks on three connections, and keeps what was coarse."""
    work = [next(questions) for _ in range(count)]
    askers = [Asker(keep, key) for _ in range(3)]

    def part(at):
        return [(work[number], askers[at].answer(*work[number])) for number in range(at, count, 3)]

    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        for found in pool.map(part, range(3)):
            for (_, cut), answer in found:
                if answer:
                    assert answer[1].get("coarse") or keep.full, "an answer is not coarse"
                    table.add(answer[0], cut, median_of(answer[1]))


def came_true(events, cut):
    """The first value of each variable within six hours."""
    later = {}
    for event in sorted((event for event in events if "time" in event), key=lambda event: event["time"]):
        if cut < event["time"] <= cut + 6:
            later.setdefault(event["code"], event["value"])
    return later


class Judge:
    def __init__(self, keep, folder, codes, count):
        self.keep, self.folder, self.codes, self.count = keep, folder, codes, count
        text = self.ask(count)
        (folder / "questions.ndjson").write_text(text)
        table = Table(codes)
        for question in map(json.loads, text.splitlines()):
            table.add(question["events"], question["prediction_time"], {})
        self.asked = table.x()

    def ask(self, count):
        done = probe.subprocess.run([self.keep.program, "probe", "questions", "--count", str(count)],
                                    cwd=self.folder, text=True, capture_output=True, env=self.keep.env)
        if done.returncode:
            raise SystemExit(done.stderr)
        return done.stdout

    def __call__(self, answers):
        write(self.folder / "answers.ndjson", answers, len(self.asked))
        return self.again()

    def again(self, *options):
        """The same answers, for the callers that the ledger has, or for a name that nobody has."""
        return self.keep.run("probe", "mark", "questions.ndjson", "answers.ndjson", *options)["callers"]


def shuffled(table, draw):
    """The order of questions is by connection: whoever stops early has some of each."""
    order = list(range(len(table.rows)))
    draw.shuffle(order)
    mixed = Table(table.codes)
    mixed.rows = [table.rows[at] for at in order]
    where = {at: number for number, at in enumerate(order)}
    for code, values in table.targets.items():
        mixed.targets[code] = {where[at]: value for at, value in values.items()}
    return mixed


def joined(one, count, other, other_count):
    """Some rows of one table, and some of another."""
    table = Table(one.codes)
    for source, most in ((one, count), (other, other_count)):
        most = min(most, len(source.rows))
        for code, values in source.targets.items():
            moved = {at + len(table.rows): value for at, value in values.items() if at < most}
            table.targets.setdefault(code, {}).update(moved)
        table.rows += source.rows[:most]
    return table


def main():
    warnings.simplefilter("ignore")
    program, data = os.path.abspath(sys.argv[1]), pathlib.Path(sys.argv[2]).resolve()
    kinds, ranges = probe.pack_names()
    codes = sorted(kinds)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        keep = probe.Keep(program, folder)
        everybody = probe.physionet(data)[:PEOPLE]
        learned, rest = everybody[: PEOPLE // 2], everybody[PEOPLE // 2:]
        with tarfile.open(folder / "half.tar.gz", "w:gz") as archive:
            for name, text in learned:
                info = tarfile.TarInfo(name)
                info.size = len(text)
                archive.addfile(info, io.BytesIO(text))
        version = keep.make(folder / "half.tar.gz")
        rest = [events for events in (probe.history(text, kinds) for _, text in rest) if probe.usable(events)]
        print(f"{version} learned from {len(learned)} people; {len(rest)} others are known to who copies", flush=True)
        callers = {}
        for name in ("marginals", "in_distribution", "random"):
            made = keep.run("key", "new", name, "--scope", "predict")
            callers[name] = (f"key:{made['id']}", made["key"])
            with keep:
                # Somebody who asks about people is noticed by their number; here they are made to be.
                asker = "marginals" if name == "in_distribution" else name
                attackers = probe.Attackers(rest, ranges, random.Random(len(name)))
                noticed = probe.attack(keep, [made["key"]], getattr(attackers, asker)())
                print(f"{name}: answers were coarse after {noticed} questions", flush=True)
        parameters = (HERE / "../../crates/twinkeep-watch/src/probe/probe.toml").read_text()
        (folder / "keep" / "probe.toml").write_text(parameters.replace("enabled = true", "enabled = false"))
        judge = Judge(keep, folder, codes, QUESTIONS)
        tables, most, draw = {}, max(COUNTS), random.Random(5)
        full_key = keep.key()
        with keep:
            for name, (_, key) in [*callers.items(), ("full", (None, full_key))]:
                attackers = probe.Attackers(rest, ranges, random.Random(100 + len(name)))
                questions = getattr(attackers, "marginals" if name == "full" else name)()
                tables[name], keep.full = Table(codes), name == "full"
                began = time.monotonic()
                gather(keep, key, questions, tables[name], 2000 if name == "full" else most)
                tables[name] = shuffled(tables[name], draw)
                print(f"{name}: {len(tables[name].rows)} answers in {time.monotonic() - began:.0f} s", flush=True)
        targets = sorted(set().union(*(table.targets for table in tables.values())))
        false, copies = 0, 0
        for name, (own, _) in callers.items():
            for count in COUNTS:
                for kind, student in STUDENTS.items():
                    rows = numpy.arange(len(tables[name].rows)) < count
                    found = judge(learn(student, tables[name], rows, judge.asked, targets))
                    mine = next(it for it in found if it["caller"] == own)
                    others = [it for it in found if it["caller"] != own]
                    false += sum(it["verdict"] == "marked" for it in others)
                    copies += 1
                    print(f"{name}, {count} answers, {kind}: {mine['verdict']}, statistic "
                          f"{mine['statistic']:.1f}, p {mine['p_value']:.5f}; others' p from "
                          f"{min(it['p_value'] for it in others):.3f}", flush=True)
        for count in (count for count in COUNTS if count <= 2000):
            table = joined(tables["full"], 500, tables["marginals"], count)
            for kind, student in STUDENTS.items():
                found = judge(learn(student, table, numpy.ones(len(table.rows), dtype=bool), judge.asked, targets))
                mine = next(it for it in found if it["caller"] == callers["marginals"][0])
                print(f"marginals, {len(table.rows) - count} full answers and {count} coarse ones, {kind}: "
                      f"{mine['verdict']}, statistic {mine['statistic']:.1f}, p {mine['p_value']:.5f}", flush=True)
        print(f"copies called marked for a caller whose answers they are not made of: {false} of {copies} "
              f"copies, with {len(callers) - 1} others each", flush=True)
        innocent(keep, folder, codes, tables["full"], rest, targets)


def innocent(keep, folder, codes, full, rest, targets):
    judge = Judge(keep, folder, codes, min(QUESTIONS, 300))
    truth = Table(codes)
    draw = random.Random(9)
    for events in rest:
        for cut in (12, 18, 24, 36):
            known = [event for event in events if event.get("time", 0) <= cut]
            if any("time" in event for event in known):
                truth.add(known, cut, came_true(events, cut))
    named, p_values = 0, []
    if INNOCENT == 0:
        return
    for number in range(INNOCENT):
        table = [truth, full][number % 2]
        student = list(STUDENTS.values())[number // 2 % 3]
        rows = numpy.zeros(len(table.rows), dtype=bool)
        rows[draw.sample(range(len(table.rows)), min(400, len(table.rows)))] = True
        some = draw.sample(targets, max(1, len(targets) * 3 // 4))
        found = judge(learn(student, table, rows, judge.asked, some))
        # Three callers are three secrets; a name that nobody has is another one each time.
        another = judge.again("--caller", f"key:nobody{number}")
        named += any(it["verdict"] == "marked" for it in found + another)
        p_values += [it["p_value"] for it in another]
    low = [sum(p <= limit for p in p_values) for limit in (0.001, 0.01, 0.05)]
    print(f"innocent models called marked: {named} of {INNOCENT} (95 % interval up to "
          f"{100 * probe.upper(named, INNOCENT):.1f} %); of {len(p_values)} p-values, each for "
          f"a secret of its own, {low[0]}, {low[1]}, and {low[2]} are at most 0.001, 0.01, and 0.05")


if __name__ == "__main__":
    main()
