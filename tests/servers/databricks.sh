# Databricks: its Statement Execution API in front of Spark (tests/servers/databricks/server.py), and sail, which runs
# what needs Delta tables (merge.py). Read by tests/run.
spark_version=4.3.0
spark_client_version=4.2.0 # the newest that this sail understands
sail_version=0.7.2
spark_venv=${SPRINGLINE_SPARK_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/springline/spark-$spark_version}
command -v java >/dev/null || install_debian default-jre-headless
if ! "$spark_venv/bin/python" -c 'import pyspark, pyarrow' 2>/dev/null; then
  say "installing Spark"
  python3 -m venv "$spark_venv"
  "$spark_venv/bin/pip" install -q "pyspark==$spark_version" pyarrow
fi
sail_venv=${SPRINGLINE_SAIL_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/springline/sail-$sail_version}
if ! "$sail_venv/bin/python" -c 'import pysail, pyspark' 2>/dev/null; then
  say "installing sail"
  python3 -m venv "$sail_venv"
  "$sail_venv/bin/pip" install -q "pysail==$sail_version" "pyspark-client==$spark_client_version"
fi
say "starting Spark"
spark_port=$(free_port)
spark_files=$(mktemp -d)
"$spark_venv/bin/python" tests/servers/databricks/server.py "$spark_port" "$spark_files" >"$spark_files/log" 2>&1 &
spark_server=$!
stop_spark() {
  kill "$spark_server" 2>/dev/null || true
  wait "$spark_server" 2>/dev/null || true
  rm -rf "$spark_files"
}
at_exit stop_spark
spark_ready() { python3 -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$spark_port/ready', timeout=2)" 2>/dev/null; }
for ((second = 0; second < 180; second++)); do
  spark_ready && break
  kill -0 "$spark_server" 2>/dev/null || break
  sleep 1
done
spark_ready || { echo "Spark did not start:" >&2; tail -20 "$spark_files/log" >&2; exit 1; }
export SPRINGLINE_TEST_DATABRICKS="http://127.0.0.1:$spark_port"
export SPRINGLINE_TEST_SAIL="$sail_venv/bin/python"
require databricks
