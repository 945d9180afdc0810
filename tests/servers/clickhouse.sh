# ClickHouse: chDB, its library in Python, which runs what is printed. Read by tests/run.
clickhouse_venv=${XDG_CACHE_HOME:-$HOME/.cache}/springline/chdb
python_packages "$clickhouse_venv" chdb==4.4.0 pyyaml==6.0.3
export SPRINGLINE_TEST_CLICKHOUSE=$clickhouse_venv/bin/python
require clickhouse
