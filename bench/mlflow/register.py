"""Registers models with MLflow's own client: register.py URL MODELS."""

import sys
from concurrent.futures import ThreadPoolExecutor

from mlflow import MlflowClient

url, models = sys.argv[1], int(sys.argv[2])
client = MlflowClient(tracking_uri=url, registry_uri=url)
# About as much as a card of glmhub tells.
facts = {f"fact-{number}": "a fact with its source and the date when it was read" for number in range(20)}
text = "A vision-language model: its summary, overview, strengths and weaknesses. " * 20


def register(number):
    client.create_registered_model(f"model-{number:05}", tags=facts, description=text)


with ThreadPoolExecutor(4) as at_once:
    for _ in at_once.map(register, range(models)):
        pass
