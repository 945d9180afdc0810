# Databricks: its Statement Execution API in front of Spark (tests/servers/databricks/server.py), and sail, which runs
# what needs Delta tables (merge.py). Read by tests/run.
spark_version=4.3.0
spark_client_version=4.2.0 # the newest that this sail understands
sail_version=0.7.2
spark_venv=${SPRINGLINE_SPARK_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/springline/spark-$spark_version}
python_packages "$spark_venv" "pyspark==$spark_version" pyarrow==26.0.1
sail_venv=${SPRINGLINE_SAIL_VENV:-${XDG_CACHE_HOME:-$HOME/.cache}/springline/sail-$sail_version}
python_packages "$sail_venv" "pysail==$sail_version" "pyspark-client==$spark_client_version" pandas==3.1.1 pyarrow==26.0.1
spark_java=${JAVA_HOME:+$JAVA_HOME/bin/}java # as Spark looks for it
command -v "$spark_java" >/dev/null || install_debian default-jre-headless
# `17.0.15`, or of a version's first release `17`.
spark_java_version=$("$spark_java" -XshowSettings:properties -version 2>&1 | sed -n 's/^ *java.specification.version = //p') || true
[ "${spark_java_version%%.*}" -ge 17 ] 2>/dev/null ||
  fail "Spark $spark_version needs Java 17 or newer, and $spark_java is ${spark_java_version:-none}: let JAVA_HOME name a newer one"
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
spark_ready || {
  tail -20 "$spark_files/log" >&2
  fail "Spark did not start in three minutes; above is the end of its log. Is memory free, and this machine's name in /etc/hosts?"
}
export SPRINGLINE_TEST_DATABRICKS="http://127.0.0.1:$spark_port"
export SPRINGLINE_TEST_SAIL="$sail_venv/bin/python"
require databricks
