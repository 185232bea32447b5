"""Runs commands one after the other, and compares what they cost.

Machines are shared and noisy: commands take turns (A B C A B C ...), the figure is the median,
and a ratio is the median of the ratios of each round. CPU time is user plus system, of the
command and its children, as the kernel counted it.
"""

import os
import statistics
import subprocess
import time


def run(command, env=None):
    """Runs a shell command; returns its CPU seconds and wall seconds."""
    before = os.times()
    started = time.monotonic()
    subprocess.run(command, shell=True, check=True, stdout=subprocess.DEVNULL, env=env)
    wall = time.monotonic() - started
    after = os.times()
    cpu = (after.children_user - before.children_user) + (
        after.children_system - before.children_system
    )
    return cpu, wall


def compare(commands, rounds, prepare=None):
    """Returns the CPU and wall seconds of each command, by name, one per round."""
    cpu = {name: [] for name in commands}
    wall = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            if prepare:
                prepare(name)
            seconds = run(command)
            cpu[name].append(seconds[0])
            wall[name].append(seconds[1])
    return cpu, wall


def ratio(times, peer, ours):
    """How many times as fast ours is: the median over rounds."""
    return statistics.median(p / o for p, o in zip(times[peer], times[ours]))


def table(title, unit, size, cpu, wall, ours):
    """Prints one line per command: amount per second, and how many times as fast ours is."""
    print(f"\n## {title}\n")
    print(f"| command | {unit}/s of CPU | {unit}/s of wall time | ours is faster (CPU) | (wall) |")
    print("|---|---|---|---|---|")
    for name in cpu:
        fast = size / statistics.median(cpu[name])
        slow = size / statistics.median(wall[name])
        ratios = (
            ("", "")
            if name == ours
            else (f"{ratio(cpu, name, ours):.2f}×", f"{ratio(wall, name, ours):.2f}×")
        )
        print(f"| {name} | {fast:,.0f} | {slow:,.0f} | {ratios[0]} | {ratios[1]} |")
