"""A double of Snowflake's SQL API (https://docs.snowflake.com/en/developer-guide/sql-api/reference), for tests.

What it is: the endpoints /api/v2/statements over snowduck, which translates Snowflake's SQL into DuckDB's and has it
executed there. Of snowduck only the translation and the execution are used. What is written here, from the vendor's
documentation: the types of a result's columns, results in several partitions, statements that take long (202, polled),
cancelling, a request sent twice, the check of the token, the numbers and words of common errors.

What it is not: Snowflake. It checks no grants but those that a role named NOBODY lacks, knows no warehouses, and a
statement that it accepts may be refused by Snowflake or the other way round.

A word in a comment of a statement asks for a fault. `fault:busy` answers 503 to the first attempt, `fault:slow` keeps the
statement running for a second after it is done, `fault:timeout` says that its time is over. Of partitions after the first
one `fault:damage` spoils the bytes, `fault:cut` closes the connection in the middle of the first answer, `fault:gone` in
the middle of every one.

Usage: server.py PORT PUBLIC_KEY_FILE   (the OAuth token is `good-token`)
"""

import asyncio
import collections
import datetime
import decimal
import gzip
import json
import sys
import threading
import time
import uuid

import duckdb
import jwt
import pyarrow as pa
import uvicorn
from snowduck.connector.connection import Connection
from snowduck.server.shared import shared_connector
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

import mended

PARTITION_ROWS = 500
# Snowflake waits 45 seconds before it answers 202.
WAIT = 0.2
KEPT = 50
EPOCH = datetime.datetime(1970, 1, 1)

statements = {}
requests = {}
kept = collections.deque()
creating = threading.Lock()


class Statement:
    def __init__(self, body):
        self.handle = str(uuid.uuid4())
        self.sql = body["statement"]
        self.body = body
        self.table = None
        self.error = None
        self.kind = None
        self.affected = None
        self.cancelled = False
        self.cut = {0}
        self.done = asyncio.Event()
        self.cursor = None

    def run(self):
        """On a thread of its own: its answer is a table or an error."""
        try:
            with creating:
                self.cursor = shared_connector._duck_conn.cursor()
                mended.prepare(self.cursor)
                connection = Connection(
                    duck_conn=self.cursor,
                    info_schema_manager=shared_connector._info_schema_manager,
                    database=self.body.get("database"),
                    schema=self.body.get("schema"),
                    role=self.body.get("role"),
                    warehouse=self.body.get("warehouse"),
                )
            if self.cancelled:
                raise duckdb.InterruptException("cancelled")
            mended.refuse(self.sql, self.body.get("role"))
            cursor = connection.cursor()
            self.table, self.affected = mended.execute(cursor, self.sql, self.body.get("bindings"))
            if "fault:slow" in self.sql:
                time.sleep(1)
        except Exception as error:  # every failure is an answer
            self.error = error
        finally:
            if self.cursor is not None:
                self.cursor.close()
            self.body.pop("bindings", None)

    def cancel(self):
        if not self.done.is_set():
            self.cancelled = True
            if self.cursor is not None:
                self.cursor.interrupt()

    def refusal(self):
        if self.cancelled:
            return answer(422, "000604", "57014", "SQL execution canceled", self.handle)
        code, state, message = mended.said(self.error, self.sql)
        return answer(422, code, state, message, self.handle)

    def partitions(self):
        rows = self.table.num_rows
        first = min(rows, PARTITION_ROWS // 10)
        sizes = [first]
        while sum(sizes) < rows:
            sizes.append(min(PARTITION_ROWS, rows - sum(sizes)))
        return sizes

    def result(self, number):
        sizes = self.partitions()
        if number >= len(sizes):
            return answer(422, "391912", "22000", f"partition {number} is out of range", self.handle)
        rows = self.table.slice(sum(sizes[:number]), sizes[number])
        columns = [[written(value, field.type) for value in column.to_pylist()] for column, field in
                   zip(rows.columns, rows.schema)]
        data = [list(row) for row in zip(*columns)]
        if number > 0:
            # Further partitions come packed.
            packed = gzip.compress(json.dumps({"data": data}).encode())
            return Response(packed, media_type="application/json", headers={"Content-Encoding": "gzip"})
        meta = {
            "numRows": self.table.num_rows,
            "format": "jsonv2",
            "rowType": [row_type(field) for field in self.table.schema],
            "partitionInfo": [{"rowCount": size, "uncompressedSize": 1 + size * 10} for size in sizes],
        }
        body = {
            "code": "090001", "sqlState": "00000", "message": "Statement executed successfully.",
            "statementHandle": self.handle, "createdOn": int(time.time() * 1000),
            "statementStatusUrl": f"/api/v2/statements/{self.handle}", "resultSetMetaData": meta, "data": data,
        }
        if self.affected is not None:
            body["stats"] = {"numRowsInserted": self.affected, "numRowsUpdated": 0, "numRowsDeleted": 0,
                             "numDuplicateRowsUpdated": 0}
        return JSONResponse(body)


def answer(status, code, state, message, handle=None):
    return JSONResponse({"code": code, "sqlState": state, "message": message, "statementHandle": handle,
                         "createdOn": int(time.time() * 1000)}, status_code=status)


def row_type(field):
    """https://docs.snowflake.com/en/developer-guide/sql-api/handling-responses#getting-the-metadata-about-the-results"""
    kind, precision, scale = field.type, None, None
    if pa.types.is_boolean(kind):
        name = "boolean"
    elif pa.types.is_integer(kind):
        name, precision, scale = "fixed", 38, 0
    elif pa.types.is_decimal(kind):
        name, precision, scale = "fixed", kind.precision, kind.scale
    elif pa.types.is_floating(kind):
        name = "real"
    elif pa.types.is_date(kind):
        name = "date"
    elif pa.types.is_timestamp(kind):
        name, scale = ("timestamp_ltz" if kind.tz else "timestamp_ntz"), 9
    elif pa.types.is_binary(kind):
        name = "binary"
    elif pa.types.is_list(kind):
        name = "array"
    elif pa.types.is_struct(kind):
        name = "object"
    else:
        name = "variant" if (field.metadata or {}).get(b"kind") == b"JSON" else "text"
    return {"name": field.name, "database": "", "schema": "", "table": "", "nullable": field.nullable, "type": name,
            "precision": precision, "scale": scale, "length": None, "byteLength": None, "collation": None}


def written(value, kind):
    """https://docs.snowflake.com/en/developer-guide/sql-api/handling-responses#getting-the-data-from-the-results"""
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if pa.types.is_timestamp(kind):
        micros = (value.replace(tzinfo=None) - EPOCH) // datetime.timedelta(microseconds=1)
        return f"{'-' if micros < 0 else ''}{abs(micros) // 1000000}.{abs(micros) % 1000000:06}000"
    if isinstance(value, datetime.date):
        return str((value - EPOCH.date()).days)
    if isinstance(value, (bytes, bytearray)):
        return value.hex().upper()
    if isinstance(value, decimal.Decimal):
        return f"{value:f}"
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str)
    if isinstance(value, float):
        return repr(value)
    return str(value)


def intruder(request):
    """Why the request is not let in. https://docs.snowflake.com/en/developer-guide/sql-api/authenticating"""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    kind = request.headers.get("x-snowflake-authorization-token-type", "OAUTH")
    if kind == "KEYPAIR_JWT":
        try:
            claims = jwt.decode(token, PUBLIC_KEY, algorithms=["RS256"], options={"require": ["iss", "sub", "iat", "exp"]})
        except jwt.PyJWTError:
            return answer(401, "390144", "08001", "JWT token is invalid.")
        if not claims["iss"].startswith(claims["sub"] + ".SHA256:") or claims["sub"] != claims["sub"].upper():
            return answer(401, "390144", "08001", "JWT token is invalid.")
        return None
    if token == "expired-token":
        return answer(401, "390318", "08001", "OAuth access token expired.")
    return None if token == "good-token" else answer(401, "390303", "08001", "Invalid OAuth access token.")


async def submit(request):
    refused = intruder(request)
    if refused is not None:
        return refused
    identity = request.query_params.get("requestId")
    if identity in requests and request.query_params.get("retry") == "true":
        return accepted(requests[identity])
    body = await request.json()
    if "fault:busy" in body["statement"] and identity not in requests:
        requests[identity] = Statement(body)
        asyncio.create_task(perform(requests[identity]))
        return Response(status_code=503)
    statement = Statement(body)
    requests[identity] = statement
    asyncio.create_task(perform(statement))
    if request.query_params.get("async") == "true":
        return accepted(statement)
    return await answered(statement)


def accepted(statement):
    statements[statement.handle] = statement
    return answer(202, "333334", "00000", "Asynchronous execution in progress.", statement.handle)


async def perform(statement):
    statements[statement.handle] = statement
    await asyncio.to_thread(statement.run)
    statement.done.set()
    # Snowflake keeps a result for a day.
    kept.append(statement)
    if len(kept) > KEPT:
        kept.popleft().table = None


async def answered(statement, number=0):
    try:
        await asyncio.wait_for(statement.done.wait(), WAIT)
    except asyncio.TimeoutError:
        return accepted(statement)
    if statement.error is not None:
        return statement.refusal()
    if statement.table is None:
        return answer(410, "391914", "02000", "The result is no longer there.", statement.handle)
    return statement.result(number)


async def status(request):
    refused = intruder(request)
    if refused is not None:
        return refused
    statement = statements.get(request.path_params["handle"])
    if statement is None:
        return answer(404, "391902", "02000", "Statement handle not found.")
    number = int(request.query_params.get("partition", 0))
    if number > 0 and "fault:damage" in statement.sql:
        return Response(gzip.compress(b'{"data": [["1"]')[:20], headers={"Content-Encoding": "gzip"})
    if number > 0 and "fault:gone" in statement.sql or "fault:cut" in statement.sql and number not in statement.cut:
        statement.cut.add(number)
        return StreamingResponse(broken(), media_type="application/json")
    if "fault:timeout" in statement.sql:
        message = "Statement reached its statement or warehouse timeout of 1 second(s) and was canceled."
        return answer(408, "000630", "57014", message, statement.handle)
    return await answered(statement, number)


async def broken():
    yield b'{"data": [["1"]'
    await asyncio.sleep(0.05)
    raise ConnectionAbortedError


async def cancel(request):
    refused = intruder(request)
    if refused is not None:
        return refused
    if request.path_params["handle"] in statements:
        statements[request.path_params["handle"]].cancel()
    return JSONResponse({"code": "000604", "sqlState": "57014", "message": "statement canceled",
                         "statementHandle": request.path_params["handle"]})


async def seen(request):
    """For tests alone: what became of the statements with a word in them; `stop` cancels them."""
    word = request.query_params["word"]
    found = [s for s in statements.values() if word in s.sql]
    if "stop" in request.query_params:
        for statement in found:
            statement.cancel()
    return JSONResponse([{"tag": (s.body.get("parameters") or {}).get("query_tag"), "cancelled": s.cancelled,
                          "done": s.done.is_set()} for s in found])


app = Starlette(routes=[
    Route("/api/v2/statements", submit, methods=["POST"]),
    Route("/api/v2/statements/{handle}", status),
    Route("/api/v2/statements/{handle}/cancel", cancel, methods=["POST"]),
    Route("/seen", seen),
])

if __name__ == "__main__":
    PUBLIC_KEY = open(sys.argv[2]).read()
    mended.install(shared_connector._duck_conn)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")
