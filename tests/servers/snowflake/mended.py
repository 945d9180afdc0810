"""Where snowduck's translation gives another result than Snowflake documents: what is put right here, and the
errors in Snowflake's numbers and words."""

import contextvars
import json
import re
import uuid

import pyarrow as pa
import snowflake.connector
import snowduck.connector.cursor as snowduck_cursor
from sqlglot import exp
from sqlglot.dialects.snowflake import Snowflake

from reduce import python, reduced, step


# Whether numbers are computed with 38 digits from the start, where DuckDB would take 18.
wide = contextvars.ContextVar("wide", default=False)


class Refused(Exception):
    def __init__(self, code, state, message):
        self.code, self.state, self.message = code, state, message


def judged(tree):
    """Refuses what DuckDB would take and Snowflake does not document. The parser knows Snowflake's functions by name."""
    for node in tree.find_all(exp.Anonymous, exp.Filter, exp.Unnest, exp.Distinct):
        if isinstance(node, exp.Anonymous):
            raise Refused("002140", "42601", f"SQL compilation error:\nUnknown function {node.name.upper()}")
        if isinstance(node, (exp.Filter, exp.Unnest)) or node.args.get("on") is not None:
            raise Refused("001003", "42000", f"SQL compilation error:\nsyntax error line 1 at position 0 unexpected '{node.key}'.")
    return tree


def refuse(sql, role):
    if (role or "").upper() == "NOBODY":
        raise Refused("003001", "42501", "SQL access control error:\nInsufficient privileges to operate on schema 'PUBLIC'")


UNITS = ("day", "week", "month", "quarter", "year")
MACROS = [
    # Which letters LOWER and UPPER know is not documented; these are those of Unicode, as in other engines.
    "sf_lower(t) AS CASE WHEN strlen(t) = length(t) THEN lower(t) ELSE sf_lower_letters(t) END",
    "sf_upper(t) AS CASE WHEN strlen(t) = length(t) THEN upper(t) ELSE sf_upper_letters(t) END",
    # How a VARIANT's type is called. https://docs.snowflake.com/en/sql-reference/functions/typeof
    "sf_typeof(j) AS CASE json_type(j) WHEN 'VARCHAR' THEN 'VARCHAR' WHEN 'BOOLEAN' THEN 'BOOLEAN' WHEN 'BIGINT' THEN 'INTEGER' "
    "WHEN 'UBIGINT' THEN 'INTEGER' WHEN 'DOUBLE' THEN 'DECIMAL' ELSE json_type(j) END",
    # A VARIANT's number has no zeros at the end of its fraction.
    "sf_text(j) AS CASE WHEN json_type(j) = 'DOUBLE' THEN regexp_replace(CAST(j AS VARCHAR), '(\\.[0-9]*?)0+$', '\\1') "
    "ELSE json_extract_string(j, '$') END",
    # A date stays one. https://docs.snowflake.com/en/sql-reference/functions/dateadd and .../date_trunc
    *(f"sf_add_{unit}(x DATE, n) AS CAST(x + to_{unit}s(CAST(n AS INTEGER)) AS DATE), "
      f"(x TIMESTAMP, n) AS x + to_{unit}s(CAST(n AS INTEGER))" for unit in UNITS),
    "sf_trunc(u, x DATE) AS CAST(date_trunc(u, x) AS DATE), (u, x TIMESTAMP) AS date_trunc(u, x)",
    "sf_substr(t, p, n) AS CASE WHEN regexp_matches(t, p) THEN regexp_extract(t, p, n) END",
]


def install(connection):
    """Once for the whole server."""
    connection.execute("SET GLOBAL default_null_order = 'nulls_last'")
    connection.create_function("sf_lower_letters", str.lower, ["VARCHAR"], "VARCHAR")
    connection.create_function("sf_upper_letters", str.upper, ["VARCHAR"], "VARCHAR")
    types = ["VARCHAR", "VARCHAR", "VARCHAR", "BIGINT"]
    connection.create_function("sf_reduced", reduced, types, "VARCHAR", null_handling="special")


def prepare(connection):
    for macro in MACROS:
        connection.execute("CREATE OR REPLACE TEMP MACRO " + macro)


def call(name, *arguments):
    return exp.Anonymous(this=name, expressions=[a.copy() if isinstance(a, exp.Expression) else a for a in arguments])


def constant(node):
    """The value of an expression of constants, as Snowflake folds it; None where it is none."""
    if isinstance(node, exp.Literal):
        return node.this if node.is_string else int(node.this) if node.this.isdigit() else None
    if isinstance(node, exp.Cast):
        return constant(node.this)
    parts = {key: constant(value) for key, value in node.args.items() if isinstance(value, exp.Expression)}
    if any(value is None for value in parts.values()):
        return None
    a, b = parts.get("this"), parts.get("expression")
    if isinstance(node, exp.Paren):
        return a
    if isinstance(node, exp.Add):
        return a + b if type(a) is type(b) is int else None
    if isinstance(node, exp.Replace):
        return a.replace(b, parts["replacement"])
    if isinstance(node, exp.RegexpReplace):
        return re.sub(b, parts["replacement"], a)
    if isinstance(node, exp.RegexpInstr):
        found = re.search(b, a)
        return found.start() + 1 if found else 0
    if isinstance(node, exp.RegexpCount):
        return len(re.findall(b, a))
    if isinstance(node, exp.Substring):
        return a[parts["start"] - 1:parts["start"] - 1 + parts["length"]]
    return None


def text(node):
    value = constant(node)
    return node if value is None else exp.Literal.string(value) if isinstance(value, str) else exp.Literal.number(value)


def zoned(node):
    """https://docs.snowflake.com/en/sql-reference/functions/convert_timezone; what shows is the clock of the zone."""
    value, source, target = node.args["timestamp"], node.args.get("source_tz"), node.args["target_tz"]
    if source is None:
        instant = exp.cast(exp.paren(value), "TIMESTAMPTZ")
    else:
        instant = exp.Paren(this=exp.AtTimeZone(this=exp.cast(exp.paren(value), "TIMESTAMP"), zone=source))
    return exp.Paren(this=exp.AtTimeZone(this=instant, zone=target))


def mended(node):
    if isinstance(node, exp.DateAdd) and isinstance(node.this, exp.Cast) and node.unit.name.lower() in UNITS:
        if node.this.to.is_type("date"):
            months = call(f"to_{node.unit.name.lower()}s", exp.cast(node.expression.copy(), "INTEGER"))
            return exp.cast(exp.paren(exp.Add(this=node.this.copy(), expression=months)), "DATE")
        return node
    if isinstance(node, exp.DateAdd) and node.unit.name.lower() in UNITS:
        return call(f"sf_add_{node.unit.name.lower()}", node.this, node.expression)
    if isinstance(node, (exp.DateTrunc, exp.TimestampTrunc)):
        return call("sf_trunc", exp.Literal.string(node.unit.name.lower()), node.this)
    if isinstance(node, exp.Trim) and not node.expression:
        # Spaces alone. https://docs.snowflake.com/en/sql-reference/functions/trim
        node.set("expression", exp.Literal.string(" "))
        return node
    if isinstance(node, (exp.Lower, exp.Upper)):
        return call(f"sf_{node.key}", node.this)
    if wide.get() and isinstance(node, (exp.Mul, exp.Add, exp.Sub)) and node.find_ancestor(exp.Lambda) is None:
        digits = exp.cast(exp.Literal.number(0), "DECIMAL(38, 0)")
        first = exp.paren(exp.Add(this=exp.paren(node.this.copy()), expression=digits))
        return exp.paren(type(node)(this=first, expression=exp.paren(node.expression.copy())))
    if isinstance(node, exp.ToChar) and node.args.get("format") is not None:
        # It is a time, though the translation cannot see it. It would leave the format out.
        node = exp.TimeToStr(this=node.this.copy(), format=Snowflake.format_time(node.args["format"]))
    if isinstance(node, exp.TimeToStr):
        # What stands in double quotes is taken as it is.
        # https://docs.snowflake.com/en/sql-reference/date-time-input-output#about-the-elements-used-in-input-and-output-formats
        node.set("format", exp.Literal.string(re.sub('"([^"]*)"', r"\1", node.args["format"].name)))
        return node
    if isinstance(node, exp.ConvertTimezone):
        return zoned(node)
    if isinstance(node, exp.RegexpInstr) and constant(node) is None:
        return exp.cast(call("regexp_matches", node.this, text(node.expression)), "BIGINT")
    if isinstance(node, exp.RegexpExtract):
        return call("sf_substr", node.this, text(node.expression), text(node.args["group"]))
    if isinstance(node, exp.RegexpReplace) and constant(node) is None:
        return call("regexp_replace", node.this, text(node.expression), text(node.args["replacement"]), exp.Literal.string("g"))
    if isinstance(node, exp.ToNumber) and node.args.get("format") is not None:
        return exp.cast(exp.DPipe(this=exp.Literal.string("0x"), expression=node.this), "BIGINT")
    if isinstance(node, exp.JSONExtract):
        path = constant(node.expression)
        return node if path is None else call("json_extract", node.this, exp.Literal.string("$." + path))
    if isinstance(node, exp.Typeof) and isinstance(node.this, exp.Anonymous):
        return call("sf_typeof", node.this)
    if isinstance(node, exp.Cast) and isinstance(node.this, exp.Anonymous) and node.this.name == "json_extract":
        return call("sf_text", node.this)
    if isinstance(node, exp.Cast) and node.to.is_type("varchar") and isinstance(node.this, exp.Cast):
        # DuckDB writes no zero before the point of a DECIMAL(2, 2).
        digits = node.this.to.expressions if node.this.to.is_type("decimal") else []
        if len(digits) == 2 and digits[0].name == digits[1].name:
            digits[0].replace(exp.DataTypeParam(this=exp.Literal.number(int(digits[0].name) + 1)))
        return node
    if isinstance(node, exp.GetExtract) and isinstance(node.this, exp.Reduce):
        reduce = node.this
        values = exp.cast(call("to_json", reduce.this), "VARCHAR")
        sources = (python(reduce.args["initial"]), step(reduce.args["merge"]))
        return call("sf_reduced", values, *map(exp.Literal.string, sources), node.expression)
    if isinstance(node, exp.GetExtract):
        return call("list_extract", node.this, exp.Add(this=exp.paren(node.expression), expression=exp.Literal.number(1)))
    if isinstance(node, exp.ArraySlice):
        return call("list_slice", node.this, exp.Literal.number(1), node.args["end"])
    if isinstance(node, exp.PercentileCont):
        return exp.PercentileCont(this=exp.Literal.number(str(constant(node.this))))
    if isinstance(node, exp.Div) and isinstance(node.this, exp.Paren) and node.find(exp.Mod) is not None:
        return exp.IntDiv(this=node.this, expression=node.expression)
    return node


def mend(tree):
    # From the leaves up: what a constant holds must be seen before it is taken apart.
    for node in list(tree.walk(bfs=False))[::-1]:
        if node is tree or constant(node) is not None:
            continue
        other = mended(node)
        if other is not node:
            node.replace(other)
    return tree


parse = snowduck_cursor._parse_snowflake
snowduck_cursor._parse_snowflake = lambda sql: [mend(judged(tree)) if isinstance(tree, exp.Expression) else tree for tree in parse(sql)]


def execute(cursor, sql, bindings):
    """The table of the result, and the rows that a statement changed."""
    params = None
    explained = re.match(r"EXPLAIN USING (JSON|TEXT) ", sql)
    if explained:
        # The form of the answer is documented, the figures are made up.
        # https://docs.snowflake.com/en/sql-reference/sql/explain
        cursor.execute(f"SELECT * FROM ({sql[explained.end():]}\n) LIMIT 0")
        plan = json.dumps({"GlobalStats": {"partitionsTotal": 2, "partitionsAssigned": 1, "bytesAssigned": 1024}})
        return pa.table({"content": [plan if explained[1] == "JSON" else "GlobalStats:\n\tbytesAssigned=1024"]}), None
    if bindings:
        columns = [bindings[str(i + 1)]["value"] for i in range(len(bindings))]
        if isinstance(columns[0], list):
            return insert_many(cursor, sql, columns)
        params = columns
    replaced = re.match(r'CREATE OR REPLACE TABLE (\S+) AS\s', sql)
    if replaced and replaced[1] in sql[replaced.end():]:
        return replace_by_itself(cursor, replaced[1], sql[replaced.end():])
    try:
        cursor.execute(sql, params)
    except snowflake.connector.errors.ProgrammingError as error:
        if not re.search(r"Overflow in \w+ of DECIMAL\(18\)", str(error)):
            raise
        # A number has 38 digits. https://docs.snowflake.com/en/sql-reference/operators-arithmetic
        token = wide.set(True)
        try:
            cursor.execute(sql, params)
        finally:
            wide.reset(token)
    table = cursor._arrow_table
    kinds = [str(column[1]) for column in cursor._duck_description or []]
    table = table.cast(pa.schema([
        field.with_metadata({"kind": kind}) for field, kind in zip(table.schema, kinds)])) if kinds else table
    names = table.column_names
    affected = None
    if names and names[0].startswith("number of rows "):
        affected = sum(table.column(i)[0].as_py() or 0 for i, name in enumerate(names) if "multi-joined" not in name)
    return table, affected


def replace_by_itself(cursor, table, query):
    """A table that is filled anew from what it held: snowduck drops it before the query has read it.
    https://docs.snowflake.com/en/sql-reference/sql/create-table"""
    parts = table.rsplit(".", 1)
    before = ".".join([*parts[:-1], f'"replaced_{uuid.uuid4().hex}"'])
    cursor.execute(f"CREATE TABLE {before} AS {query}")
    cursor.execute(f"CREATE OR REPLACE TABLE {table} AS SELECT * FROM {before}")
    answer = cursor._arrow_table
    cursor.execute(f"DROP TABLE {before}")
    return answer, None


def insert_many(cursor, sql, columns):
    """Arrays of bindings: the statement is run for each row, all or none. The rows do not go through the translation."""
    head, _ = re.split(r"\bVALUES\b", sql, maxsplit=1)
    table = pa.table([pa.array(column, pa.string()) for column in columns], [f"C{i}" for i in range(len(columns))])
    cursor._duck_cur.register("BOUND", table)
    cursor.execute(f"{head} SELECT * FROM BOUND")
    return cursor._arrow_table, table.num_rows


def said(error, sql):
    """Code, SQL state and message of a failure."""
    if isinstance(error, Refused):
        return error.code, error.state, error.message
    text = str(getattr(error, "raw_msg", None) or error)
    there = re.search(r"(?:Table|Schema) with name \"?([^\s\"!]+)\"? already exists", text)
    if there:
        return "002002", "42710", f"SQL compilation error:\nObject '{there[1]}' already exists."
    missing = re.search(r"Table with name \"?([^\s\"!]+)", text)
    if missing:
        return "002003", "42S02", f"SQL compilation error:\nObject '{missing[1]}' does not exist or not authorized."
    schema = re.search(r"[Ss]chema (?:with name )?\"?([^\s\"!]+)\"? does not exist", text)
    if schema:
        return "002003", "02000", f"SQL compilation error:\nSchema '{schema[1]}' does not exist or not authorized."
    column = re.search(r"Referenced (?:table|column) \"([^\"]+)\"|does not have a column (?:with name|named) \"([^\"]+)\"", text)
    if column:
        name = column[1] or column[2]
        return "000904", "42000", f"SQL compilation error: error line 1 at position 7\ninvalid identifier '{name}'"
    value = re.search(r"Could not convert string ['\"](.*?)['\"] to (\w+)", text, re.S)
    if value:
        return "100038", "22018", f"Numeric value '{value[1]}' is not recognized"
    if "Parser Error" in text or "parse" in text.lower() or "expected" in text.lower():
        return "001003", "42000", f"SQL compilation error:\nsyntax error line 1 at position 0 unexpected '{sql[:12]}'."
    return "100000", "XX000", text
