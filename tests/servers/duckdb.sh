# DuckDB's library, as its package for Node ships it. Read by tests/run.
duckdb_package=@duckdb/node-bindings-linux-x64@1.5.6-r.1
duckdb_folder=${XDG_CACHE_HOME:-$HOME/.cache}/springline/duckdb-1.5.6
duckdb_library=$duckdb_folder/node_modules/@duckdb/node-bindings-linux-x64/libduckdb.so
if [ ! -f "$duckdb_library" ]; then
  command -v npm >/dev/null || install_debian npm
  say "installing DuckDB's library"
  mkdir -p "$duckdb_folder"
  npm install --silent --no-audit --no-fund --force --prefix "$duckdb_folder" "$duckdb_package"
fi
export SPRINGLINE_TEST_DUCKDB=$duckdb_library
remove_duckdb_files() { rm -rf "${TMPDIR:-/tmp}/springline-duckdb"; }
at_exit remove_duckdb_files
require duckdb
