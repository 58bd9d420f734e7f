"""The application of Celery that is measured: one function, which does nothing with its page."""

import os

from celery import Celery

URL = f"redis://127.0.0.1:{os.environ['BENCH_REDIS_PORT']}/0"
ANSWER = "No answer: this is a measurement."

app = Celery("asked", broker=URL, backend=URL)
app.conf.update(
    # What the guide on optimizing advises for many short ones: fetch many ahead, acknowledge early, tell nobody of events.
    worker_prefetch_multiplier=64,
    worker_send_task_events=False,
    task_acks_late=False,
    task_ignore_result=False,
    task_serializer="json",
    result_serializer="json",
    broker_pool_limit=10,
    redis_max_connections=64,
)


@app.task
def ask(page, question):
    return {"page": page, "answer": ANSWER}
