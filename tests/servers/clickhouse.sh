# ClickHouse: chDB, its library in Python, which runs what is printed. Read by tests/run.
clickhouse_venv=${XDG_CACHE_HOME:-$HOME/.cache}/springline/chdb
if ! "$clickhouse_venv/bin/python" -c 'import chdb, sys, yaml; sys.exit(chdb.__version__ != "4.4.0")' 2>/dev/null; then
  say "installing chDB"
  python3 -m venv "$clickhouse_venv"
  "$clickhouse_venv/bin/pip" install -q chdb==4.4.0 pyyaml==6.0.3
fi
export SPRINGLINE_TEST_CLICKHOUSE=$clickhouse_venv/bin/python
require clickhouse
