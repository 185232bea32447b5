"""The peer: LightGBM, one model a variable, as the protocol states it."""

import time

import lightgbm
import numpy as np

CUT = HORIZON = 24.0
ROWS_MAX = 25_000


class Rows:
    """The examples of one variable."""

    def __init__(self, roles):
        self.roles, self.subjects, self.hours, self.values = roles, [], [], []

    def freeze(self):
        self.subjects, self.hours, self.values = map(np.array, (self.subjects, self.hours, self.values))
        self.role = np.array([self.roles[subject] for subject in self.subjects])


def describe(data, roles, codes, statics):
    """Features of each subject at the cut, and the rows of each variable after it."""
    index = {code: at for at, code in enumerate(codes)}
    shared, own = {}, {}
    rows = {code: Rows(roles) for code in codes}
    for subject, (hours, names, values) in data.items():
        series = ~np.isnan(hours)
        known = np.array([name in index for name in names])
        if not (series & known).any():
            continue
        # Hours since the first event, to the microsecond: what is exactly 48 hours later is in.
        hours = np.round(hours - hours[series & known].min(), 9)
        cut = CUT
        past = known & (~series | (hours < cut))
        state, extra = np.full((len(codes), 4), np.nan), np.full((len(codes), 6), np.nan)
        state[:, 3] = 0
        for code in set(names[past]):
            here = past & (names == code)
            state[index[code]], extra[index[code]] = summary(hours[here], values[here], cut)
        shared[subject], own[subject] = state.ravel(), extra
        later = known & series & (hours >= cut) & (hours <= cut + HORIZON)
        for at in np.flatnonzero(later):
            if names[at] not in statics:
                of = rows[names[at]]
                of.subjects.append(subject), of.hours.append(hours[at] - cut), of.values.append(values[at])
    for of in rows.values():
        of.freeze()
    return shared, own, rows


def summary(hours, values, cut):
    """Last value, its age, mean of 6 h, count; and mean, min, max, slope, previous, mean of 2 h."""
    if np.isnan(hours).all():
        return (values[-1], np.nan, values[-1], len(values)), (np.nan,) * 6
    age = cut - hours
    weighted = lambda memory: np.average(values, weights=np.exp(-(age - age.min()) / memory))
    slope = np.polyfit(hours, values, 1)[0] if np.ptp(hours) > 0.01 else np.nan
    previous = values[-2] if len(values) > 1 else np.nan
    return (
        (values[-1], age[-1], weighted(6.0), len(values)),
        (values.mean(), values.min(), values.max(), slope, previous, weighted(2.0)),
    )


def forecast(data, roles, codes, statics, threads):
    """{code: rows held out, with carry-forward and both heads}, and CPU seconds of training."""
    shared, own, rows = describe(data, roles, codes, statics)
    found, seconds, learned = {}, {"l2": 0.0, "l1": 0.0}, 0
    for at, code in enumerate(codes):
        of = rows[code]
        if not (of.role == "held_out").any():
            continue
        last = np.array([shared[subject][4 * at] for subject in of.subjects])
        base = np.array([shared[subject][4 * at + 2] for subject in of.subjects])
        train, tuning, held_out = (of.role == role for role in ("train", "tuning", "held_out"))
        typical = of.values[train].mean() if train.any() else 0.0
        last, base = np.where(np.isnan(last), typical, last), np.where(np.isnan(base), typical, base)
        features = np.stack(
            [np.append(np.append(shared[subject], own[subject][at]), hour)
             for subject, hour in zip(of.subjects, of.hours)]
        ).astype(np.float32)
        result = {"subject": of.subjects[held_out], "hour": of.hours[held_out],
                  "actual": of.values[held_out], "carry_forward": last[held_out]}
        chosen = np.flatnonzero(train)
        if len(chosen) > ROWS_MAX:
            chosen = np.random.RandomState(0).choice(chosen, ROWS_MAX, replace=False)
        learned += len(chosen)
        for head in seconds:
            result[head] = base[held_out]
            if len(chosen) < 20 or not tuning.any():
                continue
            began = time.process_time()
            rest = of.values - base
            teach = lightgbm.Dataset(features[chosen], rest[chosen])
            stop = lightgbm.Dataset(features[tuning], rest[tuning], reference=teach)
            booster = lightgbm.train(
                parameters(head, len(chosen), threads), teach, 600, valid_sets=[stop],
                callbacks=[lightgbm.early_stopping(20, verbose=False)],
            )
            seconds[head] += time.process_time() - began
            result[head] = base[held_out] + booster.predict(
                features[held_out], num_iteration=booster.best_iteration)
        found[code] = result
    return found, seconds, learned


def parameters(head, rows, threads):
    """As the protocol tunes them."""
    rare = rows < 3_000
    return {
        "objective": "regression" if head == "l2" else "regression_l1",
        "learning_rate": 0.04 if rare else 0.08,
        "num_leaves": 7 if rare else 31,
        "min_data_in_leaf": 10 if rare else 60,
        "feature_fraction": 0.5, "bagging_fraction": 0.8, "bagging_freq": 1, "lambda_l2": 5,
        "num_threads": threads, "seed": 42, "verbosity": -1,
    }
