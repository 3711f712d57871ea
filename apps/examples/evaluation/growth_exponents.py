#!/usr/bin/env python3
"""growth_exponents.py SWEEP_FOLDER: how fast the variance of growth.toml's runs grows.

Reads results.jsonl and each run's metrics.jsonl, and prints a Markdown table: the exponent in steps
(least squares of log variance against log step, from step 10 on, and from step 100 on) and, between
learning rates of one optimizer and partition, the exponent in the rate at the last step.
"""

import json
import math
import sys
from pathlib import Path


def slope(points):
    xs = [math.log(x) for x, _ in points]
    ys = [math.log(y) for _, y in points]
    x_mean, y_mean = sum(xs) / len(xs), sum(ys) / len(ys)
    over = sum((x - x_mean) * (y - y_mean) for x, y in zip(xs, ys))
    return over / sum((x - x_mean) ** 2 for x in xs)


def variances(metrics):
    with open(metrics) as lines:
        events = [json.loads(line) for line in lines]
    steps = [e for e in events if e["event"] == "step" and e.get("variance_estimate")]
    return [(e["step"], e["variance_estimate"]) for e in steps if e["step"] >= 10]


folder = Path(sys.argv[1])
groups = {}
for line in open(folder / "results.jsonl"):
    run = json.loads(line)
    point = run["point"]
    curve = variances(folder / run["folder"] / "metrics.jsonl")
    key = (point["optimizer.name"], point["data.partition"])
    groups.setdefault(key, []).append((point["optimizer.learning_rate"], curve))

print("| optimizer | data | learning rate | exponent in steps, from 10 | from 100 | variance at the end |")
print("|---|---|---|---|---|---|")
for (optimizer, partition), runs in groups.items():
    for rate, curve in runs:
        late = [(step, variance) for step, variance in curve if step >= 100]
        print(
            f"| {optimizer} | {partition} | {rate:g} | {slope(curve):.2f} | {slope(late):.2f} "
            f"| {curve[-1][1]:.3g} |"
        )
    ends = [(rate, curve[-1][1]) for rate, curve in runs]
    if len(ends) > 1:
        print(f"| {optimizer} | {partition} | exponent in the rate | | | {slope(ends):.2f} |")
