"""The envelope of Databricks' SQL Statement Execution API in front of Spark, for tests.

What it is: the requests and answers of https://docs.databricks.com/api/workspace/statementexecution (states, polling,
chunks, links, cancelling, parameters) and of the token endpoint of
https://docs.databricks.com/aws/en/dev-tools/auth/oauth-m2m, written from those pages; the SQL is run by Apache Spark
in local mode, with ANSI mode on and the time zone UTC, as a SQL warehouse has them.

What it is not: Databricks. A catalog is a Spark session with an in-memory catalog of its own, made when it is first
named, and its tables are Parquet files, not Delta. So four statements of Delta are run as others that give the same
rows: CREATE OR REPLACE TABLE ... AS writes another table, drops the old one and renames; MERGE, of the one shape that
the dialect prints, becomes a replaced table made of a full join; DELETE a table of the other rows; each is first read
by Spark's parser as it came.
There are no grants: what names `no_grant` is refused in the words of Unity Catalog, and so is the SQL warehouse
`forbidden`. For what names `drop_connection` the connection ends in the middle of the result. The client `brief` gets
tokens that are refused after two requests.

server.py <port> <folder>: listens on 127.0.0.1 and keeps its files in the folder. /ready answers once Spark is up,
/running/<text> tells how many statements with that text run, /stop/<text> cancels them, /parse hands a text to
Spark's parser alone, and /analyze a query to its analyzer too.
"""

import base64
import decimal
import json
import re
import sys
import threading
import time
import urllib.parse
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = "springline-test-token"
SECRET = "springline-test-secret"
CHUNK_ROWS = 5000
INLINE_BYTES = 25 << 20
# So many statements are remembered with their results.
KEPT = 500

spark = None
catalogs = {}
catalogs_lock = threading.Lock()
statements = {}
minted = {}
folder = sys.argv[2]


def start_spark():
    """One Spark for all catalogs."""
    global spark
    from pyspark.sql import SparkSession

    builder = SparkSession.builder.master("local[2]").appName("springline-tests")
    for name, value in settings("").items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")


def settings(catalog):
    return {
        "spark.ui.enabled": "false",
        "spark.driver.memory": "1500m",
        # Most statements run once: compiling them well costs more than it saves.
        "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
        "spark.sql.shuffle.partitions": "1",
        "spark.default.parallelism": "1",
        "spark.sql.adaptive.enabled": "false",
        "spark.sql.codegen.wholeStage": "false",
        "spark.sql.autoBroadcastJoinThreshold": "10485760",
        "spark.sql.ansi.enabled": "true",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.execution.arrow.maxRecordsPerBatch": str(CHUNK_ROWS),
        "spark.sql.parquet.compression.codec": "uncompressed",
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.sql.warehouse.dir": f"{folder}/warehouse/{catalog}",
    }


def session(catalog, schema):
    """A fresh session of a catalog."""
    jvm = spark._jvm
    with catalogs_lock:
        if catalog not in catalogs:
            options = jvm.java.util.HashMap()
            for name, value in settings(catalog).items():
                options.put(name, value)
            catalogs[catalog] = jvm.org.apache.spark.sql.classic.SparkSession(spark._jsc.sc(), options)
        fresh = catalogs[catalog].newSession()
    fresh.sql(f"USE `{schema}`")
    return fresh


class Refused(Exception):
    """An error in the words of Databricks."""


class Cancelled(Exception):
    """The statement was stopped."""


class Statement:
    """One statement from its request to its result."""

    def __init__(self, body):
        self.id = str(uuid.uuid4())
        self.body = body
        self.state, self.error = "PENDING", None
        self.batches, self.schema = [], None
        self.done = threading.Event()
        self.cancelled = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        try:
            if self.cancelled:
                raise Cancelled
            self.state = "RUNNING"
            spark.sparkContext.setJobGroup(self.id, self.id, interruptOnCancel=True)
            self.execute()
            self.state = "CANCELED" if self.cancelled else "SUCCEEDED"
        except Exception as error:  # noqa: BLE001: whatever it is, it is the statement's
            if self.cancelled:
                self.state = "CANCELED"
            else:
                message = str(error).split("\n\nJVM stacktrace")[0].split("\n== SQL")[0]
                self.state = "FAILED"
                self.error = {"error_code": "BAD_REQUEST", "message": message.strip()}
        self.done.set()

    def execute(self):
        # The comment before a statement is the tag of whoever sent it.
        sql = re.sub(r"^\s*/\*.*?\*/\s*", "", self.body["statement"]).strip().rstrip(";")
        if "no_grant" in sql:
            lacks = "SELECT on Table 'main.crm.no_grant'" if "SELECT" in sql else "CREATE SCHEMA on Catalog 'main'"
            raise Refused(
                f"[INSUFFICIENT_PERMISSIONS] Insufficient privileges:\nUser does not have {lacks}. SQLSTATE: 42501"
            )
        own = session(self.body.get("catalog") or "main", self.body.get("schema") or "default")
        catalog = self.body.get("catalog")
        if catalog:
            sql = sql.replace(f"`{catalog}`.", "`spark_catalog`.")
        parser = own.sessionState().sqlParser()
        parser.parsePlan(sql)
        explained = re.match(r"EXPLAIN\s+(MERGE|CREATE OR REPLACE)\b", sql, re.I)
        if explained:
            raise Refused("EXPLAIN of this statement needs Delta tables, which are not here")
        if re.match(r"CREATE OR REPLACE TABLE\b", sql, re.I):
            head = re.match(r"CREATE OR REPLACE TABLE (\S+) AS\s", sql)
            return self.replace(own, head.group(1), sql[head.end() :])
        if re.match(r"MERGE\b", sql, re.I):
            return self.merge(own, sql)
        delete = re.match(r"DELETE FROM (\S+)\s+WHERE\s", sql, re.I)
        if delete:
            table, condition = delete.group(1), sql[delete.end() :]
            return self.replace(own, table, f"SELECT * FROM {table} WHERE NOT COALESCE({condition}, FALSE)")
        arguments = spark._jvm.java.util.HashMap()
        for parameter in self.body.get("parameters") or []:
            arguments.put(parameter["name"], parameter.get("value"))
        frame = own.sql(sql, arguments) if arguments else own.sql(sql)
        self.collect(own, frame)

    def collect(self, own, frame):
        from pyspark.sql import DataFrame, SparkSession

        frame = DataFrame(frame, SparkSession(spark.sparkContext, own))
        self.schema = frame.schema
        if self.schema.fields:
            self.batches = frame._collect_as_arrow()

    def replace(self, own, table, query):
        aside = f"`{table.strip('`').replace('`.`', '`.`aside_')}_{uuid.uuid4().hex[:8]}`"
        own.sql(f"CREATE TABLE {aside} USING parquet AS {query}")
        own.sql(f"DROP TABLE IF EXISTS {table}")
        own.sql(f"ALTER TABLE {aside} RENAME TO {table}")

    def merge(self, own, sql):
        shape = re.match(
            r"MERGE INTO (?P<table>\S+) AS t\s+USING (?P<source>\S+) AS s\s+ON (?P<on>.+?)\s+"
            r"WHEN MATCHED AND s\.(?P<delete>\S+) THEN DELETE\s+(?:WHEN MATCHED THEN UPDATE SET.+?)?"
            r"WHEN NOT MATCHED AND NOT s\.\S+ THEN\s+INSERT \((?P<columns>.+?)\)",
            sql,
            re.S,
        )
        part = shape.groupdict()
        given = {name.strip() for name in part["columns"].split(",")}
        names = [f"`{name}`" for name in own.table(part["table"]).columns()]
        value = lambda n: f"CASE WHEN s.{part['delete']} IS NULL THEN t.{n} ELSE s.{n} END" if n in given else f"t.{n}"
        columns = ", ".join(f"{value(name)} AS {name}" for name in names)
        query = (
            f"SELECT {columns} FROM {part['table']} AS t FULL JOIN {part['source']} AS s ON {part['on']} "
            f"WHERE s.{part['delete']} IS NULL OR NOT s.{part['delete']}"
        )
        self.replace(own, part["table"], query)

    def cancel(self):
        self.cancelled = True
        # Spark may not have begun a job of it yet.
        spark.sparkContext._jsc.sc().cancelJobGroupAndFutureJobs(self.id)
        if not self.done.is_set():
            self.state = "CANCELED"

    # What is answered.

    def answer(self, host):
        answer = {"statement_id": self.id, "status": {"state": self.state}}
        if self.error:
            answer["status"]["error"] = self.error
            state = re.search(r"SQLSTATE: (\w{5})", self.error["message"])
            if state:
                answer["status"]["sql_state"] = state.group(1)
        if self.state == "SUCCEEDED":
            answer["manifest"] = self.manifest()
            answer["result"] = self.chunk(0, host) if self.batches else {}
        return answer

    def inline(self):
        return self.body.get("disposition", "INLINE") == "INLINE"

    def manifest(self):
        fields = self.schema.fields if self.schema is not None else []
        chunks, offset = [], 0
        for index, batch in enumerate(self.batches):
            chunks.append({"chunk_index": index, "row_offset": offset, "row_count": batch.num_rows})
            offset += batch.num_rows
        size = sum(batch.nbytes for batch in self.batches)
        return {
            "format": self.body.get("format", "JSON_ARRAY"),
            "schema": {"column_count": len(fields), "columns": [column(i, f) for i, f in enumerate(fields)]},
            "total_chunk_count": len(chunks),
            "chunks": chunks,
            "total_row_count": offset,
            "total_byte_count": size,
            "truncated": self.inline() and size > INLINE_BYTES,
        }

    def chunk(self, index, host):
        offset = sum(batch.num_rows for batch in self.batches[:index])
        about = {"chunk_index": index, "row_offset": offset, "row_count": self.batches[index].num_rows}
        if index + 1 < len(self.batches):
            about["next_chunk_index"] = index + 1
            about["next_chunk_internal_link"] = f"/api/2.0/sql/statements/{self.id}/result/chunks/{index + 1}"
        if self.inline():
            rows = zip(*(values(column) for column in self.batches[index].columns))
            return about | {"data_array": [list(row) for row in rows]}
        link = f"http://{host}/links/{self.id}/{index}?signature=secret-of-the-link"
        expiration = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 900))
        return {"external_links": [about | {"external_link": link, "expiration": expiration}]}

    def stream(self, index):
        import pyarrow

        sink = pyarrow.BufferOutputStream()
        batch = self.batches[index]
        with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
            writer.write_batch(batch)
        return sink.getvalue().to_pybytes()


def column(position, field):
    text = field.dataType.simpleString().upper()
    about = {"name": field.name, "type_text": text, "type_name": re.split(r"[(<]", text)[0], "position": position}
    about["type_name"] = {"BIGINT": "LONG", "TINYINT": "BYTE", "SMALLINT": "SHORT"}.get(about["type_name"], about["type_name"])
    about["type_text"] = {"LONG": "BIGINT"}.get(text, text)
    if about["type_name"] == "DECIMAL":
        about["type_precision"], about["type_scale"] = field.dataType.precision, field.dataType.scale
    return about


def values(array):
    import pyarrow

    if pyarrow.types.is_timestamp(array.type):
        zone = "Z" if array.type.tz else ""
        return [None if v is None else v.replace(tzinfo=None).isoformat(timespec="microseconds") + zone for v in array.to_pylist()]
    return [None if v is None else text(v) for v in array.to_pylist()]


def text(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, decimal.Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}.get(repr(value), repr(value))
    if isinstance(value, (list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def reply(self, status, body, kind="application/json"):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def authorised(self):
        token = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        if token in minted:
            minted[token] -= 1
        if token == TOKEN or minted.get(token, -1) >= 0:
            return True
        if token == "token-that-expired" or token in minted:
            return self.reply(403, {"error_code": "403", "message": "Invalid access token. [ReqId: 0]"})
        self.reply(401, {"error_code": 401, "message": "Credential was not sent or was of an unsupported type for this API."})
        return False

    def do_GET(self):
        path = self.path.split("?")[0].strip("/").split("/")
        if self.path == "/ready":
            return self.reply(200 if spark else 503, {"ready": spark is not None})
        if path[0] == "running":
            # For tests of what is cancelled: the statements that run and hold this text.
            held = (s for s in list(statements.values()) if not s.done.is_set() and path[1] in s.body["statement"])
            return self.reply(200, {"running": sum(1 for _ in held)})
        if path[0] == "stop":
            # As an administrator does.
            held = [s for s in list(statements.values()) if not s.done.is_set() and path[1] in s.body["statement"]]
            for statement in held:
                statement.cancel()
            return self.reply(200, {"stopped": len(held)})
        if path[0] == "links":
            if self.headers.get("Authorization"):
                return self.reply(400, {"message": "a token was sent to the storage of results"})
            statement = statements[path[1]]
            if int(path[2]) > 0 and "drop_connection" in statement.body["statement"]:
                return self.close()
            return self.reply(200, statement.stream(int(path[2])), "application/vnd.apache.arrow.stream")
        if not self.authorised():
            return None
        if path[:4] != ["api", "2.0", "sql", "statements"] or len(path) < 5 or path[4] not in statements:
            return self.reply(404, {"error_code": "NOT_FOUND", "message": "The statement was not found."})
        statement = statements[path[4]]
        if path[5:7] == ["result", "chunks"]:
            if "drop_connection" in statement.body["statement"]:
                return self.close()
            return self.reply(200, statement.chunk(int(path[7]), self.headers["Host"]))
        return self.reply(200, statement.answer(self.headers["Host"]))

    def close(self):
        """Ends the connection without an answer."""
        self.close_connection = True

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if self.path == "/oidc/v1/token":
            return self.mint(body)
        if self.path in ("/parse", "/analyze"):
            # For tests of printed SQL: what Spark's reader says. A query is not executed by being analyzed.
            try:
                session = spark._jsparkSession
                read = session.sessionState().sqlParser().parsePlan if self.path == "/parse" else session.sql
                read(body.decode())
                return self.reply(200, {})
            except Exception as error:  # noqa: BLE001: whatever the reader says
                return self.reply(400, {"message": str(error)})
        if not self.authorised():
            return None
        if self.path.endswith("/cancel"):
            statement = statements.get(self.path.split("/")[-2])
            if statement:
                statement.cancel()
            return self.reply(200, {})
        body = json.loads(body)
        if body.get("warehouse_id") == "forbidden":
            message = "You do not have permission to use the SQL Warehouse"
            return self.reply(403, {"error_code": "PERMISSION_DENIED", "message": message})
        if body.get("warehouse_id") != "0123456789abcdef":
            message = f"{body.get('warehouse_id')} is not a valid endpoint id."
            return self.reply(400, {"error_code": "INVALID_PARAMETER_VALUE", "message": message})
        statement = Statement(body)
        statements[statement.id] = statement
        while len(statements) > KEPT:
            statements.pop(next(iter(statements)), None)
        statement.done.wait(float(body.get("wait_timeout", "10s").rstrip("s")))
        return self.reply(200, statement.answer(self.headers["Host"]))

    def mint(self, body):
        given = base64.b64decode((self.headers.get("Authorization") or "").removeprefix("Basic ")).decode()
        client, _, secret = given.partition(":")
        form = urllib.parse.parse_qs(body.decode())
        if secret != SECRET or form.get("grant_type") != ["client_credentials"] or form.get("scope") != ["all-apis"]:
            return self.reply(401, {"error": "invalid_client", "error_description": "Client authentication failed"})
        token = uuid.uuid4().hex
        minted[token] = 2 if client == "brief" else 1 << 30
        return self.reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": 3600, "scope": "all-apis"})


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


if __name__ == "__main__":
    server = Server(("127.0.0.1", int(sys.argv[1])), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    start_spark()
    threading.Event().wait()
