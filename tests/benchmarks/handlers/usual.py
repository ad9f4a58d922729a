"""The usual stack: FastAPI behind Mangum, a response model, and a table client made at import."""

from __future__ import annotations

from typing import Any

import boto3
from fastapi import FastAPI
from mangum import Mangum
from pydantic import BaseModel

table = boto3.client("dynamodb", region_name="eu-west-1")
app = FastAPI()


class Answer(BaseModel):
    """One flag of a user."""

    flag_name: str
    enabled: bool
    value: Any = None


@app.get("/users/{user_id}/flags/{flag_name}")
async def flag(user_id: str, flag_name: str) -> Answer:
    return Answer(flag_name=flag_name, enabled=bool(user_id))


handler = Mangum(app, lifespan="off")
