"""A keep that is trained and served, and what somebody with an API key gets from it."""

import concurrent.futures
import http.client
import json
import pathlib
import socket
import ssl
import subprocess
import sys
import threading
import time

import numpy as np
import pyarrow.parquet as pq

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "forecast"))
import stays  # noqa: E402

QUANTILES = (0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95)


class Served:
    """A keep in a folder of its own, and a server over it while the `with` lasts."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.env = {"XDG_STATE_HOME": f"{folder}/state"}

    def run(self, *args):
        done = subprocess.run([self.program, *args, "--json"], cwd=self.folder, text=True,
                              capture_output=True, env=self.env)
        if done.returncode:
            raise SystemExit(f"{' '.join(args)}: {done.stderr}")
        return json.loads(done.stdout.splitlines()[0])

    def train(self, archives, pack):
        self.run("init", "keep", "--pack", str(pack), "--key-file", "kek")
        for archive in archives:
            self.run("ingest", str(archive))
        self.run("export", "meds", "events", "--keep-ids")
        self.version = self.run("train")["version"]
        return self.version

    def people(self):
        """Those who taught the model, and those whom it never saw: {subject: (hours, codes, values)}."""
        events = self.folder / "events"
        everybody = stays.read_meds(events)
        table = pq.read_table(events / "metadata" / "subject_splits.parquet").to_pydict()
        role = dict(zip(table["subject_id"], table["split"]))
        return [{subject: record for subject, record in everybody.items() if role[subject] == split}
                for split in ("train", "held_out")]

    def __enter__(self):
        self.run("model", "release", self.version, "--reason", "to be attacked")
        # An attacker without a limit: a keep of one's own may say so.
        config = self.folder / "keep" / "twinkeep.toml"
        lines = [line for line in config.read_text().splitlines() if not line.startswith("rate_")]
        at = lines.index("[gate]") + 1
        config.write_text("\n".join(lines[:at] + ["rate_per_second = 1000", "rate_burst = 1000"] + lines[at:]) + "\n")
        # Whoever asks so is noticed within some questions: `make bench-probe` measures that.
        shipped = pathlib.Path(__file__).parents[2] / "crates/twinkeep-watch/src/probe/probe.toml"
        own = shipped.read_text().replace("enabled = true", "enabled = false")
        (self.folder / "keep" / "probe.toml").write_text(own)
        self.run("key", "new", "attacker", "--out", "api.key")
        self.key = (self.folder / "api.key").read_text().strip()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.server = subprocess.Popen(
            [self.program, "serve", "--listen", f"127.0.0.1:{self.port}", "--quiet"],
            cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.trust = ssl.create_default_context(cafile=str(self.folder / "keep" / "public" / "ca.pem"))
        self.local = threading.local()
        for _ in range(600):
            try:
                if self.call("GET", "/healthz")[0] == 200:
                    return self
            except OSError:
                time.sleep(0.2)
        raise SystemExit("the server does not answer")

    def __exit__(self, *_):
        self.server.terminate()
        self.server.wait()

    def call(self, method, path, body=None):
        """One request; each thread keeps its connection."""
        if getattr(self.local, "open", None) is None:
            self.local.open = http.client.HTTPSConnection("localhost", self.port, context=self.trust)
        try:
            self.local.open.request(method, path, body, {
                "Authorization": f"Bearer {self.key}", "Content-Type": "application/json"})
            answer = self.local.open.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self.local.open = None
            raise

    def ask(self, history, cut, horizons):
        """{code: [quantiles by horizon]} of what follows on the part of a history before the cut."""
        hours, codes, values = history
        known = np.isnan(hours) | (hours < cut)
        events = [{"code": str(code), "value": float(value)}
                  | ({} if np.isnan(hour) else {"time": float(hour)})
                  for hour, code, value in zip(hours[known], codes[known], values[known])]
        body = json.dumps({"events": events, "prediction_time": cut, "horizons_hours": horizons})
        status, answer = self.call("POST", "/api/v1/predict", body)
        if status != 200:
            raise SystemExit(f"the gate refuses: {status} {answer[:300]}")
        found = {}
        for target in json.loads(answer)["targets"]:
            if target["points"] and len(target["points"]) == len(horizons):
                found[target["code"]] = [
                    [point[f"q{round(100 * p):02d}"] for p in QUANTILES] for point in target["points"]]
        return found

    def ask_all(self, histories, cuts, horizons, threads=4):
        with concurrent.futures.ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda pair: self.ask(*pair, horizons), zip(histories, cuts)))
