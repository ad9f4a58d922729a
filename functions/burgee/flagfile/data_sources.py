"""The grammar of `sources:`: tables of a team's own, with the columns that an experiment needs named."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from burgee.flagfile.experiments import Property, Where, Whole
from burgee.flagfile.fields import Part, Text

Column = Annotated[str, Field(min_length=1, max_length=255)]
Query = Annotated[str, Field(min_length=1, max_length=20_000)]
SECRETS = ("password", "token", "secret", "private_key", "credential", "passwd", "pwd")


class EngineName(StrEnum):
    """Who answers the questions."""

    DUCKDB = "duckdb"
    POSTGRES = "postgres"
    ATHENA = "athena"
    REDSHIFT = "redshift"
    BIGQUERY = "bigquery"
    SNOWFLAKE = "snowflake"


class Clock(StrEnum):
    """What a column of times holds."""

    TIMESTAMP = "timestamp"
    MILLISECONDS = "ms"
    SECONDS = "s"


class Rows(Part):
    """Rows of a table, or of a query, each of a unit at a time."""

    table: Column | None = Field(None, description="A table, or for DuckDB files such as `exports/*.parquet`.")
    sql: Query | None = Field(None, description="A SELECT in the engine's SQL instead of a table.")
    unit: Column = Field(description="The column with the unit.")
    time: Column = Field(description="The column with the time.")
    clock: Clock = Field(
        Clock.TIMESTAMP, description="Whether times are a `timestamp` (UTC), `ms` or `s` since 1970."
    )
    day: Column | None = Field(
        None, description="A column with its day, as 2027-01-31, by which the table is divided."
    )
    received: Column | None = Field(None, description="When the row came, in the same clock; default its time.")
    columns: dict[Property, Column] = Field(
        default_factory=dict, description="Columns by property; default a column of the property's name."
    )
    where: Where = Field(default_factory=dict, description="Only rows whose columns have these values.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Rows:
        if (self.table is None) == (self.sql is None):
            raise PydanticCustomError("source-rows", "write one of `table` and `sql`", {})
        return self

    def column(self, name: str) -> str:
        """The column that holds a property."""
        return self.columns.get(name, name)


class ExposureRows(Rows):
    """Rows that say which variant a unit was given."""

    variant: Column = Field(description="The column with the variant.")
    variants: dict[str, str] = Field(default_factory=dict, description="The flag's variants by what the column says.")
    flag: Column | None = Field(None, description="The column with the flag; default every row is of the experiment.")


class FactRows(Rows):
    """Rows of something that units did; metrics name it as their `event`."""

    id: Column | None = Field(None, description="Rows of a unit with one id count once; default every row counts.")


class DataSource(Part):
    """Where an experiment's exposures and facts are."""

    description: Text | None = Field(None, description="What it is.")
    engine: EngineName = Field(EngineName.DUCKDB, description="What answers the questions of a report.")
    connect: dict[str, str] = Field(
        default_factory=dict, description="Where the engine is, without secrets: those come from the environment."
    )
    attach: dict[Property, str] = Field(
        default_factory=dict, description="For DuckDB: databases by name, `shop.duckdb` or `postgres:dbname=shop`."
    )
    workgroup: str | None = Field(None, description="Athena's workgroup, which must limit the bytes of a query.")
    max_gb: Whole = Field(100, description="A report that could read more gigabytes than this is refused.")
    records: Column | None = Field(None, description="The engine's table of Burgee's records, such as burgee_events.")
    exposures: ExposureRows | None = Field(None, description="Exposures; default those of Burgee's records.")
    facts: dict[Property, FactRows] = Field(
        default_factory=dict, description="What units did, by the name that metrics use as `event`."
    )

    @model_validator(mode="after")
    def _keeps_no_secret(self) -> DataSource:
        for key in self.connect:
            if any(word in key.lower() for word in SECRETS):
                message = "{key} is a secret: leave it to the environment"
                raise PydanticCustomError("source-secret", message, {"key": key, "path": ("connect",)})
        if self.attach and self.engine is not EngineName.DUCKDB:
            message = "only DuckDB attaches databases"
            raise PydanticCustomError("source-engine", message, {"path": ("attach",)})
        if self.exposures is None and not self.reads_records:
            message = "name `exposures`, or `records`, the table of Burgee's records"
            raise PydanticCustomError("source-exposures", message, {})
        return self

    @property
    def reads_records(self) -> bool:
        """Whether Burgee's own records are read too: DuckDB has those in files."""
        return self.records is not None or self.engine is EngineName.DUCKDB
