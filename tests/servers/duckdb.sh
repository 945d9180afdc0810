# DuckDB's library, as its package for Node ships it. Read by tests/run.
duckdb_package=@duckdb/node-bindings-linux-x64@1.5.6-r.1
duckdb_folder=${XDG_CACHE_HOME:-$HOME/.cache}/springline/duckdb-1.5.6
duckdb_library=$duckdb_folder/node_modules/@duckdb/node-bindings-linux-x64/libduckdb.so
# Forced: the package is for one kind of machine, which not every npm recognises.
npm_package "$duckdb_folder" "$duckdb_package" --force
[ -f "$duckdb_library" ] || fail "there is no $duckdb_library: delete $duckdb_folder and run this again"
export SPRINGLINE_TEST_DUCKDB=$duckdb_library
remove_duckdb_files() { rm -rf "${TMPDIR:-/tmp}/springline-duckdb"; }
at_exit remove_duckdb_files
require duckdb
