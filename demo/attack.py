"""Those who ask a running keep too much: what `demo/attack.sh` attacks with over HTTPS.

    attack.py copy PORT CA SOURCE COUNT KEY           copies the model: random histories
    attack.py member PORT CA SOURCE COUNT KEY PERSON  one person's history with small changes
    attack.py guess PORT CA SOURCE COUNT KEY          forged keys and tokens, then one that is right

SOURCE is the address it comes from. Prints what it got; fails if it was not stopped.
"""

import base64
import collections
import http.client
import json
import random
import ssl
import sys
from datetime import datetime

# Variables with what a sick person may have: all of it plausible by itself.
RANGES = {
    "HR": (20, 280), "Temp": (30, 42), "SysABP": (60, 250), "DiasABP": (20, 180), "MAP": (30, 190),
    "GCS": (3, 15), "Glucose": (30, 900), "K": (2, 9), "Na": (110, 180), "PaO2": (30, 480),
    "PaCO2": (10, 120), "HCT": (12, 60), "BUN": (2, 180),
}
# In which order answers get less.
FORMS = ["full", "coarse", "labels", "refused"]


class Door:
    """One connection to the keep, opened again when it was closed."""

    def __init__(self, port, ca, source):
        self.to = ("127.0.0.1", int(port))
        self.source = (source, 0)
        self.tls = ssl.create_default_context(cafile=ca)
        self.open = None

    def ask(self, method, path, key, body=None):
        """Returns the status, and the answer."""
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        for again in (True, False):
            try:
                if self.open is None:
                    self.open = http.client.HTTPSConnection(
                        *self.to, timeout=60, source_address=self.source, context=self.tls
                    )
                self.open.request(method, path, body, headers)
                answer = self.open.getresponse()
                text = answer.read()
                return answer.status, json.loads(text) if text[:1] == b"{" else {}
            except (OSError, http.client.HTTPException):
                self.open = None
                if not again:
                    raise
        return None


def nobody(draw):
    """Values of nobody: each as likely as any other."""
    events = [
        {"time": hour, "code": code, "value": round(draw.uniform(low, high))}
        for code, (low, high) in RANGES.items()
        for hour in (0, 3, 6)
    ]
    return {"events": events, "horizons_hours": [6]}


def person(file):
    """The history of somebody, from `twin history`."""
    with open(file, encoding="utf-8") as lines:
        known = json.loads(lines.readline())["events"]
    at = [datetime.fromisoformat(event["time"][:19]) for event in known if "time" in event]
    events = []
    for event in known:
        if event.get("value") is None:
            continue
        hours = 0.0
        if "time" in event:
            hours = (datetime.fromisoformat(event["time"][:19]) - min(at)).total_seconds() / 3600
        events.append({"time": round(hours, 4), "code": event["code"], "value": event["value"]})
    return events


def nearly(events, draw):
    """A history in which three heart rates are higher by one or two."""
    changed = [dict(event) for event in events]
    rates = [event for event in changed if event["code"] == "HR"]
    for event in draw.sample(rates, min(3, len(rates))):
        event["value"] += draw.choice((1, 2))
    return {"events": changed, "horizons_hours": [6]}


def form(status, answer):
    """Returns in which form an answer came."""
    if status == 403 and answer.get("code") == "probing":
        return "refused"
    if status != 200:
        return f"{status} {answer.get('code', '')}".strip()
    if answer.get("labels_only"):
        return "labels"
    return "coarse" if answer.get("coarse") else "full"


def probe(door, key, questions):
    """Asks everything; says which answers came in which form."""
    count, first = collections.Counter(), {}
    for number, question in enumerate(questions, 1):
        got = form(*door.ask("POST", "/predict", key, json.dumps(question)))
        count[got] += 1
        first.setdefault(got, number)
    shown = ", ".join(f"from the {at}. on {got} ({count[got]})" for got, at in first.items())
    print(f"  asked       {sum(count.values())} questions: {shown}")
    # Two alarms at once are two steps at once.
    steps = [FORMS.index(got) if got in FORMS else -1 for got in first]
    if steps != sorted(steps) or steps[0] != 0 or steps[-1] != len(FORMS) - 1:
        sys.exit("demo: it was not stopped, or not by steps")
    less, nothing = min(at for got, at in first.items() if got != "full"), first["refused"]
    print(f"  noticed     after {less - 1} questions; after {nothing - 1} there are no more answers")


def part(value):
    """Returns a part of a token."""
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def guess(door, count, right):
    """Shows keys that were made up, and tokens that nobody signed; then a key that is right."""
    draw = random.Random(3)
    got = collections.Counter()
    for number in range(count):
        if number % 2:
            key = f"tk_{draw.getrandbits(200):060d}"
        else:
            claims = {"sub": f"somebody-{number}", "scope": "predict", "exp": 4_000_000_000}
            key = f"{part({'alg': 'none'})}.{part(claims)}."
        status, answer = door.ask("GET", "/api/v1/twins", key)
        got[f"{status} {answer.get('code')}"] += 1
    status, answer = door.ask("GET", "/api/v1/twins", right)
    last = f"{status} {answer.get('code')}"
    shown = ", ".join(f"{code} ({times})" for code, times in got.items())
    print(f"  asked       {count} times: {shown}")
    print(f"  then        with a key that is right, from the same address: {last}")
    if any(not code.startswith(("401", "429")) for code in got) or last != "429 locked-out":
        sys.exit("demo: somebody who guesses was listened to")


def main(what, port, ca, source, count, key, *rest):
    """Attacks."""
    door = Door(port, ca, source)
    with open(key, encoding="ascii") as file:
        key = file.read().strip()
    draw = random.Random(7)
    if what == "copy":
        probe(door, key, (nobody(draw) for _ in range(int(count))))
    elif what == "member":
        events = person(*rest)
        probe(door, key, (nearly(events, draw) for _ in range(int(count))))
    else:
        guess(door, int(count), key)


main(*sys.argv[1:])
