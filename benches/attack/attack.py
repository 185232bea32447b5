"""`make bench-attack`: what others' tools find in a served model, beside what `attack` says.

Usage: attack.py PROGRAM DATA [--people N] [--shadows N] [--answers N,…] [--pack FILE]

A keep is trained on PhysioNet 2012 and served; everything below is asked over its HTTPS API with an
API key. The attacker knows the whole record of each person, and whether half of them taught the model;
it is measured on the other half.

- ART: a membership attack learned from losses (random forest, gradient boosting).
- SACRO-ML: worst case (a forest on the answers) and LiRA with shadow models of scikit-learn.
- A student of scikit-learn, learned from 100 and more answers.
"""

import argparse
import logging
import pathlib
import statistics
import tempfile
import time

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import roc_auc_score, roc_curve

from served import QUANTILES, Served, stays

CUT, AHEAD = 24.0, 12.0
# What is asked about in every record: vital signs and laboratory values that most people have.
CODES = ("HR", "Temp", "GCS", "Urine", "NISysABP", "RespRate", "Na", "K", "HCO3", "BUN", "Creatinine",
         "Glucose", "HCT", "Platelets", "WBC", "Mg")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--people", type=int, default=800, help="members, and as many others")
    parser.add_argument("--shadows", type=int, default=8)
    parser.add_argument("--answers", default="100,1000,10000")
    parser.add_argument("--pack", default="icu")
    args = parser.parse_args()
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        keep = Served(args.program.resolve(), pathlib.Path(folder))
        pack = args.pack if args.pack == "icu" else pathlib.Path(args.pack).resolve()
        version = keep.train(stays.archives(args.data.resolve()), pack)
        own = keep.run("attack", "membership", "--model", version, "--shadows", str(args.shadows))
        members, others = keep.people()
        with keep:
            members, others = (list(side.values())[: args.people] for side in (members, others))
            count = min(len(members), len(others))
            members, others = members[:count], others[:count]
            began = time.monotonic()
            answers = keep.ask_all(members + others, [CUT] * 2 * count, [AHEAD])
            print(f"\n{2 * count} people asked about over HTTPS in {time.monotonic() - began:.1f} s\n")
            rows = Rows(members + others, answers, count)
            print("| attack | AUC | found at 1 % alarms | verdict |\n|---|---|---|---|")
            ours(own)
            art(rows)
            sacro(rows, folder)
            student(keep, others, [int(number) for number in args.answers.split(",")])


class Rows:
    """One row a person and code: what was known, what was answered, what came true."""

    def __init__(self, histories, answers, member_count):
        known, asked, true, person = [], [], [], []
        for at, (history, answer) in enumerate(zip(histories, answers)):
            for place, code in enumerate(CODES):
                value = after(history, code)
                if value is None or code not in answer:
                    continue
                known.append([place, *summary(history, code, CUT)])
                asked.append(answer[code][0])
                true.append(value)
                person.append(at)
        self.known, self.asked = np.array(known), np.array(asked)
        self.true, self.person = np.array(true), np.array(person)
        self.member = self.person < member_count
        # In units of what each code moves by.
        self.scale = np.ones(len(self.true))
        for place in range(len(CODES)):
            own = self.known[:, 0] == place
            if own.any():
                self.scale[own] = max(np.nanstd((self.true - self.known[:, 1])[own]), 1e-6)
        # Of each side, half the people are known to the attacker.
        self.teaches = self.person % 2 == 0

    def of_people(self, scores, chosen):
        """The mean score of each chosen person."""
        people = np.unique(self.person[chosen])
        sums = np.bincount(self.person[chosen], scores, self.person.max() + 1)
        counts = np.bincount(self.person[chosen], minlength=self.person.max() + 1)
        truth = np.array([self.member[self.person == at][0] for at in people])
        return truth, (sums / np.maximum(counts, 1))[people]


def after(history, code):
    """The value that is nearest to AHEAD after the cut, if one is near."""
    hours, codes, values = history
    near = (codes == code) & (abs(hours - CUT - AHEAD) <= AHEAD / 2)
    return values[near][np.argmin(abs(hours[near] - CUT - AHEAD))] if near.any() else None


def summary(history, code, cut):
    """Last, mean, lowest, and highest value before a cut, and how many."""
    hours, codes, values = history
    own = values[(codes == code) & (hours < cut)]
    if not len(own):
        return [np.nan] * 4 + [0.0]
    return [own[-1], own.mean(), own.min(), own.max(), float(len(own))]


def line(name, truth, scores, limit=0.65):
    auc = roc_auc_score(truth, scores)
    false, found, _ = roc_curve(truth, scores)
    rate = found[false <= 0.01].max()
    # The interval of Hanley and McNeil (Radiology 1982).
    m, n = int(truth.sum()), int((~truth).sum())
    both = (m - 1) * (auc / (2 - auc) - auc**2) + (n - 1) * (2 * auc**2 / (1 + auc) - auc**2)
    error = np.sqrt(max(auc * (1 - auc) + both, 0) / (m * n))
    verdict = "over" if limit < auc - 1.96 * error else "under"
    print(f"| {name} | {auc:.3f} ({auc - 1.96 * error:.3f} to {auc + 1.96 * error:.3f}) | {100 * rate:.1f} % | {verdict} |")


def ours(report):
    found = report["membership"]
    verdict = "over" if report["over"] else "under"
    for name, side in (("this version", "version"), ("shadows on each other", "procedure"),
                       ("one answer for each", "one_answer"), ("threshold on the loss", "threshold")):
        it = found[side]
        rate = it["tpr_at_fpr_1_percent"]
        shown = f"{100 * rate['value']:.1f} %" if rate else "too few"
        print(f"| `twinkeep attack membership`, {name} | {it['auc']:.3f} ({it['auc_low']:.3f} to"
              f" {it['auc_high']:.3f}) | {shown} | {verdict} |")


def art(rows):
    from art.attacks.inference.membership_inference import MembershipInferenceBlackBox
    from art.estimators.regression.blackbox import BlackBoxRegressor

    index = np.arange(len(rows.true), dtype=float).reshape(-1, 1)
    median = QUANTILES.index(0.5)

    def answered(x):
        at = x[:, 0].astype(int)
        return rows.asked[at, median] / rows.scale[at]

    def loss(true, predicted):
        return np.abs(np.ravel(true) - np.ravel(predicted))

    true = rows.true / rows.scale
    for kind in ("rf", "gb"):
        model = BlackBoxRegressor(answered, (1,), loss)
        attack = MembershipInferenceBlackBox(model, input_type="loss", attack_model_type=kind)
        known = [rows.teaches & rows.member, rows.teaches & ~rows.member]
        attack.fit(index[known[0]], true[known[0]], index[known[1]], true[known[1]])
        rest = ~rows.teaches
        scores = attack.infer(index[rest], true[rest], probabilities=True)
        all_scores = np.zeros(len(rows.true))
        all_scores[rest] = np.ravel(scores)
        line(f"ART, black box on losses ({kind})", *rows.of_people(all_scores[rest], rest))


class Deployed(ClassifierMixin, BaseEstimator):
    """The served model as SACRO-ML wants it: will the value lie above the last one?

    Asked, it gives what the API said; fitted, as a shadow is, it is a forest of scikit-learn.
    """

    def __init__(self, chances=None, random_state=None):
        self.chances = chances
        self.random_state = random_state
        self.classes_ = np.array([0, 1])

    def fit(self, x, y):
        shadow = HistGradientBoostingClassifier(random_state=self.random_state)
        self.shadow_ = shadow.fit(x[:, 1:], y)
        return self

    def predict_proba(self, x):
        if hasattr(self, "shadow_"):
            return self.shadow_.predict_proba(x[:, 1:])
        chance = self.chances[x[:, 0].astype(int)]
        return np.column_stack([1 - chance, chance])

    def predict(self, x):
        return self.predict_proba(x).argmax(axis=1)


def sacro(rows, folder):
    from sacroml.attacks.likelihood_attack import LIRAAttack
    from sacroml.attacks.target import Target
    from sacroml.attacks.worst_case_attack import WorstCaseAttack

    last = rows.known[:, 1]
    keep = ~np.isnan(last)
    chance = np.array([1 - np.interp(at, np.maximum.accumulate(q) + 1e-6 * np.arange(7), QUANTILES)
                       for at, q in zip(last, rows.asked)])
    x = np.column_stack([np.arange(len(last)), np.nan_to_num(rows.known)])
    y = (rows.true > last).astype(int)
    inside, outside = keep & rows.member, keep & ~rows.member
    target = Target(model=Deployed(chance), dataset_name="physionet2012", X_train=x[inside],
                    y_train=y[inside], X_test=x[outside], y_test=y[outside])
    where = str(pathlib.Path(folder) / "sacro")
    for name, attack in (("worst case", WorstCaseAttack(output_dir=where, write_report=False, n_reps=5,
                                                        n_dummy_reps=0)),
                         ("LiRA, 50 shadows", LIRAAttack(output_dir=where, write_report=False,
                                                         n_shadow_models=50))):
        report = attack.attack(target)
        runs = report["attack_experiment_logger"]["attack_instance_logger"].values()
        aucs = [run["AUC"] for run in runs]
        rates = [run.get("TPR@1%") for run in runs if run.get("TPR@1%") is not None]
        # By SACRO-ML's own rule: the mean of the significant ones above 0.65.
        certain = [run["AUC"] for run in runs if run["P_HIGHER_AUC"] < 0.05]
        verdict = "over" if certain and 0.65 < statistics.mean(certain) else "under"
        rate = f"{100 * statistics.mean(rates):.1f} %" if rates else "-"
        print(f"| SACRO-ML, {name} (each value on its own) | {statistics.mean(aucs):.3f} | {rate} | {verdict} |")


def student(keep, histories, counts):
    """How well a student of scikit-learn repeats the medians, by the answers that it learned from."""
    rng = np.random.RandomState(1)
    half = len(histories) // 2

    def asked(people, count):
        chosen = [people[at] for at in rng.randint(len(people), size=count)]
        cuts = list(rng.uniform(6, 36, size=count))
        answers = keep.ask_all(chosen, cuts, [AHEAD])
        known = np.array([[value for code in CODES for value in summary(history, code, cut)]
                          for history, cut in zip(chosen, cuts)])
        said = {}
        for place, code in enumerate(CODES):
            last = known[:, 5 * place]
            said[code] = np.array([answer[code][0][3] - before if code in answer else np.nan
                                   for answer, before in zip(answers, last)])
        return known, said

    known, said = asked(histories[:half], max(counts))
    probe, truth = asked(histories[half:], 400)
    print("\n| answers | fidelity: share of the variance that a student explains, median over"
          f" {len(CODES)} variables |\n|---|---|")
    for count in counts:
        shares = []
        for code in CODES:
            own, right = ~np.isnan(said[code][:count]), ~np.isnan(truth[code])
            if own.sum() < 20 or right.sum() < 20:
                continue
            model = HistGradientBoostingRegressor(min_samples_leaf=5)
            model.fit(known[:count][own], said[code][:count][own])
            rest = truth[code][right] - model.predict(probe[right])
            shares.append(1 - np.var(rest) / max(np.var(truth[code][right]), 1e-12))
        print(f"| {count:,} | {statistics.median(shares):.2f} |")


if __name__ == "__main__":
    main()
