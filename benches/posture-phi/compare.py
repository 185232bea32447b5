#!/usr/bin/env python3
"""Looks for data of people in generated files with `scan` and with Presidio, and counts who is right.

    compare.py PROGRAM [ROWS]

Each file is a table of which every column has one known kind, or none. A tool is asked which kinds
each column has; that is held against the truth. Presidio gets the same files row by row, with all
recognizers that need no language model, as fast as it goes; its speed is taken on the first rows.
"""

import json
import os
import random
import subprocess
import sys
import tempfile
import time

GIVEN = "Maria James Aisha Robert Elena Xiu Oluwaseun Priya Thomas Linda Kwame Sofia Ahmed Grace".split()
FAMILY = "Okafor Smith Nguyen Garcia Ivanova Lee Adeyemi Rao Müller Haddad Kim Novak Silva Brown".split()
STREETS = "Maple Oak Main Church Lake Hill Park Washington Cedar River".split()


def luhn(digits):
    total = sum(sum(divmod(int(d) * 2, 10)) if at % 2 == 0 else int(d) for at, d in enumerate(reversed(digits)))
    return str(-total % 10)


def npi():
    head = "1" + "".join(random.choice("0123456789") for _ in range(8))
    return head + luhn("80840" + head)


def mbi():
    letters = "ACDEFGHJKMNPQRTUVWXY"
    form = {"1": "123456789", "L": letters, "D": "0123456789", "E": letters + "0123456789"}
    return "".join(random.choice(form[c]) for c in "1LEDLEDLLDD")


def digits(count):
    return "".join(random.choice("0123456789") for _ in range(count))


# What a column may be: its header, how a value is made, its kind as we call it, and Presidio's.
PEOPLE = [
    ("mrn", lambda: digits(7), "record-number", None),
    ("patient_name", lambda: f"{random.choice(GIVEN)} {random.choice(FAMILY)}", "name", "PERSON"),
    ("dob", lambda: f"{random.randint(1930, 2020)}-{random.randint(1, 12):02}-{random.randint(1, 28):02}", "birth-date", "DATE_TIME"),
    ("ssn", lambda: f"{random.randint(100, 665)}-{random.randint(10, 99)}-{random.randint(1000, 9999)}", "ssn", "US_SSN"),
    ("phone", lambda: f"({random.randint(201, 989)}) {random.randint(200, 999)}-{digits(4)}", "phone", "PHONE_NUMBER"),
    ("email", lambda: f"{random.choice(GIVEN).lower()}{digits(3)}@example.org", "email", "EMAIL_ADDRESS"),
    ("address", lambda: f"{random.randint(1, 999)} {random.choice(STREETS)} Street", "address", "LOCATION"),
    ("mbi", mbi, "health-plan", "US_MBI"),
    ("npi", npi, "provider", "US_NPI"),
    ("ip", lambda: ".".join(str(random.randint(1, 254)) for _ in range(4)), "ip", "IP_ADDRESS"),
]
OTHERS = [
    ("heart_rate", lambda: str(random.randint(50, 120)), None, None),
    ("creatinine", lambda: f"{random.random() * 3:.2f}", None, None),
    ("item_code", lambda: digits(9), None, None),
    ("order_number", lambda: digits(10), None, None),
    ("charted_at", lambda: f"2026-0{random.randint(1, 9)}-1{random.randint(0, 9)} 0{random.randint(0, 9)}:15:00", None, "DATE_TIME"),
    ("unit", lambda: random.choice(["mmHg", "bpm", "mg/dL", "%"]), None, None),
    ("drug", lambda: random.choice(["Aspirin", "Heparin", "Insulin", "Metformin"]), None, None),
    ("comment", lambda: random.choice(["stable since admission", "weaned overnight", "no change"]), None, None),
]


def tables(folder, rows):
    """Four tables, with and without headers that help. Returns path, columns."""
    made = []
    for at, (named, with_people) in enumerate([(True, True), (False, True), (True, False), (False, False)]):
        columns = (PEOPLE if with_people else []) + OTHERS
        columns = random.sample(columns, len(columns))
        path = os.path.join(folder, f"table{at}.csv")
        with open(path, "w") as file:
            heads = [head if named else f"field_{number}" for number, (head, *_) in enumerate(columns)]
            file.write(",".join(heads) + "\n")
            for _ in range(rows):
                file.write(",".join(make() for _, make, *_ in columns) + "\n")
        made.append((path, heads, columns))
    return made


def ours(program, path, heads):
    """Kinds of each column, bytes that were looked at, and seconds of CPU."""
    said = subprocess.run([program, "--all", path], capture_output=True, text=True, check=True).stdout
    fields = said.rstrip("\n").split("\t")
    found = {}
    for place in filter(None, fields[6].split(",")):
        field, rest = place.rsplit("=", 1)
        at = int(field.split()[1]) - 1 if field.startswith("column ") else heads.index(field) if field in heads else None
        if at is not None:
            found.setdefault(at, set()).add(rest.split(":")[0])
    return found, int(fields[4]), float(fields[5])


def presidio(analyzer, path, columns, rows):
    """Kinds of each column: those that half of its first values have."""
    found, size, start = {}, 0, time.process_time()
    lines = open(path).read().split("\n")[1 : rows + 1]
    for at in range(len(columns)):
        counts = {}
        for line in lines:
            value = line.split(",")[at]
            size += len(value) + 1
            for kind in {hit.entity_type for hit in analyzer.analyze(text=value, language="en")}:
                counts[kind] = counts.get(kind, 0) + 1
        found[at] = {kind for kind, count in counts.items() if count * 2 >= len(lines)}
    return found, size, time.process_time() - start


def score(name, results):
    right = wrong = missed = 0
    for truth, found, ignored in results:
        for at, kind in enumerate(truth):
            hits = found.get(at, set()) - ignored
            right += kind is not None and kind in hits
            missed += kind is not None and kind not in hits
            wrong += len(hits - {kind})
    precision = right / max(right + wrong, 1)
    recall = right / max(right + missed, 1)
    print(f"{name:10} precision {precision:.3f}  recall {recall:.3f}  ({right} right, {wrong} wrong, {missed} missed)")


def main():
    program = sys.argv[1]
    rows = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    random.seed(20260101)
    with tempfile.TemporaryDirectory() as folder:
        made = tables(folder, rows)
        results, size, seconds = [], 0, 0.0
        for path, heads, columns in made:
            found, looked, cpu = ours(program, path, heads)
            results.append(([kind for *_, kind, _ in columns], found, set()))
            size, seconds = size + looked, seconds + cpu
        score("ours", results)
        rate = size / seconds / 1e6
        print(f"{'ours':10} {rate:.1f} MB/s of CPU, to the end of every file ({size / 1e6:.1f} MB)")
        try:
            from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
            from presidio_analyzer.nlp_engine import SpacyNlpEngine
            import logging

            import spacy

            # It looks for a list on the network, and tells at length that there is none.
            logging.disable(logging.CRITICAL)
        except ImportError:
            print("presidio is not installed: benches/posture-phi/run.sh installs it")
            return

        class Blank(SpacyNlpEngine):
            def __init__(self):
                super().__init__()
                self.nlp = {"en": spacy.blank("en")}

        registry = RecognizerRegistry()
        registry.load_predefined_recognizers(languages=["en"])
        analyzer = AnalyzerEngine(registry=registry, nlp_engine=Blank(), supported_languages=["en"])
        results, peer_size, seconds = [], 0, 0.0
        for path, heads, columns in made:
            found, looked, cpu = presidio(analyzer, path, columns, 60)
            # Names and places need its language model, and the domain of an e-mail address is a
            # web address to it; neither counts for or against it.
            truth = [kind if kind not in ("PERSON", "LOCATION", None) else None for *_, kind in columns]
            results.append((truth, found, {"PERSON", "LOCATION", "URL"}))
            peer_size, seconds = peer_size + looked, seconds + cpu
        score("presidio", results)
        peer = peer_size / seconds / 1e6
        print(f"{'presidio':10} {peer:.4f} MB/s of CPU, on the first 60 rows; ours is {rate / peer:.0f} times as fast")


main()
