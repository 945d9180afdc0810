"""The printed MERGE statements on sail, which has Delta tables where plain Spark has none.

merge.py <statements>: the file of printed statements; those named `merge` and `merge of keys only` are executed, each
on a table whose rows after it are known. Ends with status 1 where they are others.
"""

import sys
import tempfile

from pysail.spark import SparkConnectServer
from pyspark.sql import SparkSession

MEMBERS = [("vip", "c1", "old"), ("vip", "c2", "old"), ("new", "c1", "old")]
# Changed, gone, new, and one that is gone without having been there.
CHANGES = [("vip", "c1", "next", False), ("vip", "c2", None, True), ("vip", "c3", "first", False), ("new", "c9", "x", True)]
EXPECTED = {
    "merge": [("new", "c1", "old"), ("vip", "c1", "next"), ("vip", "c3", "first")],
    "merge of keys only": [("new", "c1", "old"), ("vip", "c1", "old"), ("vip", "c3", None)],
}


def printed(path):
    """The statements of the file by name."""
    with open(path, encoding="utf-8") as file:
        parts = file.read().split("-- ==== ")[1:]
    return {name: sql.strip() for name, sql in (part.split("\n", 1) for part in parts)}


def values(rows):
    text = lambda value: "NULL" if value is None else str(value).upper() if isinstance(value, bool) else f"'{value}'"
    return ", ".join("(" + ", ".join(map(text, row)) + ")" for row in rows)


def main():
    statements = printed(sys.argv[1])
    server = SparkConnectServer(ip="127.0.0.1", port=0)
    server.start(background=True)
    spark = SparkSession.builder.remote(f"sc://127.0.0.1:{server.listening_address[1]}").getOrCreate()
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        spark.sql("CREATE SCHEMA IF NOT EXISTS springline")
        for number, (name, expected) in enumerate(EXPECTED.items()):
            for table, columns, rows in [
                ("membership", "segment STRING, customer_id STRING, hash STRING", MEMBERS),
                ("changes", "segment STRING, customer_id STRING, hash STRING, `delete` BOOLEAN", CHANGES),
            ]:
                spark.sql(f"DROP TABLE IF EXISTS springline.{table}")
                place = f"{folder}/{table}{number}"
                spark.sql(f"CREATE TABLE springline.{table} ({columns}) USING delta LOCATION '{place}'")
                spark.sql(f"INSERT INTO springline.{table} VALUES {values(rows)}")
            spark.sql(statements[name])
            rows = spark.sql("SELECT * FROM springline.membership ORDER BY segment, customer_id").collect()
            found = [tuple(row) for row in rows]
            if found != expected:
                wrong += 1
                print(f"{name}: {found}, not {expected}")
            else:
                print(f"{name}: {len(expected)} rows as expected")
    spark.stop()
    server.stop()
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
