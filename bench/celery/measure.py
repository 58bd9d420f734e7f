"""Jobs a second through Celery from the first call to the last answer, and calls one after another.

    BENCH_REDIS_PORT=PORT python measure.py JOBS CALLS PROCESSES

Prints one JSON object. Jobs are sent as a group, and their answers are taken from the Redis backend.
"""

import hashlib
import json
import math
import subprocess
import sys
import time

from celery import group

from asked import app, ask

WARM_UP = 20
QUESTION = "What is in line 1?"


def page(number):
    return hashlib.sha256(str(number).encode()).hexdigest()


def start(processes):
    command = [sys.executable, "-m", "celery", "-A", "asked", "worker"]
    options = ["--pool", "prefork", "--concurrency", str(processes), "-O", "fair", "--loglevel", "ERROR"]
    quiet = ["--without-gossip", "--without-mingle", "--without-heartbeat"]
    return subprocess.Popen(command + options + quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def one_call(number):
    begun = time.perf_counter()
    ask.delay(page(number), QUESTION).get(timeout=60)
    return (time.perf_counter() - begun) * 1000


def measure(jobs, calls):
    for number in range(WARM_UP):
        one_call(number)
    begun = time.perf_counter()
    asked = group(ask.s(page(WARM_UP + number), QUESTION) for number in range(jobs)).apply_async()
    added = time.perf_counter() - begun
    answers = asked.join_native(timeout=600) if asked.supports_native_join else asked.get(timeout=600)
    seconds = time.perf_counter() - begun
    assert len(answers) == jobs, len(answers)
    took = sorted(one_call(WARM_UP + jobs + number) for number in range(calls))

    def at(hundredths):
        return took[max(0, math.ceil(len(took) * hundredths / 100) - 1)]

    return {
        "jobs": jobs,
        "added_seconds": added,
        "seconds": seconds,
        "jobs_a_second": jobs / seconds,
        "calls": calls,
        "idle_ms": {"p50": at(50), "p99": at(99), "max": at(100)},
    }


def main():
    jobs, calls, processes = (int(argument) for argument in sys.argv[1:4])
    worker = start(processes)
    try:
        print(json.dumps(measure(jobs, calls)))
    finally:
        app.control.shutdown()
        worker.terminate()
        worker.wait(timeout=30)


main()
