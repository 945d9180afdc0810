// Google's own ZetaSQL evaluator (npm `@fivetrandevelopers/zetasql`): analyzes and runs queries over tables that are
// handed to it with each call. Everything that is a query is decided here and nowhere else.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';

const MAXIMUM = 1 << 30;
// What the evaluator knows and BigQuery does not (or not in a form that is meant here).
const NOT_IN_BIGQUERY = new Set([
  'FEATURE_V_1_4_BARE_ARRAY_ACCESS', 'FEATURE_V_1_4_CORRESPONDING', 'FEATURE_V_1_3_WITH_GROUP_ROWS', 'FEATURE_V_1_3_REPEAT',
  'FEATURE_V_1_3_INLINE_LAMBDA_ARGUMENT', 'FEATURE_V_1_4_FIRST_AND_LAST_N', 'FEATURE_V_1_4_ARRAY_AGGREGATION_FUNCTIONS',
  'FEATURE_V_1_4_ARRAY_FIND_FUNCTIONS', 'FEATURE_V_1_3_FILTER_FIELDS', 'FEATURE_V_1_3_REPLACE_FIELDS',
  'FEATURE_TIMESTAMP_NANOS', 'FEATURE_V_1_2_GROUP_BY_ARRAY', 'FEATURE_V_1_1_ARRAY_EQUALITY', 'FEATURE_V_1_3_ARRAY_ORDERING',
  'FEATURE_V_1_3_ARRAY_GREATEST_LEAST', 'FEATURE_V_1_3_UNNEST_AND_FLATTEN_ARRAYS', 'FEATURE_V_1_3_TYPEOF_FUNCTION',
  'FEATURE_V_1_4_STRUCT_POSITIONAL_ACCESSOR', 'FEATURE_V_1_4_PI_FUNCTIONS', 'FEATURE_EXPERIMENTAL_MODULES',
]);

/** An error of a statement: what BigQuery would say. */
export class SqlError extends Error {}

/** The evaluator's program (x86-64) with room for messages of a gigabyte: all tables of a query are one message, and the
 * default of its gRPC library, which it has no option for, is 4 MB. The one number is changed in a copy. */
function enlarged(program, copy) {
  if (existsSync(copy)) return copy;
  const bytes = readFileSync(program);
  // test dl, dl; jne; mov ebx, 4 MB; mov eax, 1: the limit where the server is given none.
  const code = Buffer.from('84d2751dbb00004000b801000000', 'hex');
  const at = bytes.indexOf(code);
  if (at < 0 || bytes.indexOf(code, at + 1) >= 0) throw new Error('this is not the ZetaSQL that was looked at');
  bytes.writeInt32LE(MAXIMUM, at + 5);
  writeFileSync(`${copy}.new`, bytes, { mode: 0o755 });
  renameSync(`${copy}.new`, copy);
  return copy;
}

/** Starts the evaluator on a port and gives what runs a query. */
export async function start(modules, port) {
  const require = createRequire(`${modules}/`);
  const grpc = require('@grpc/grpc-js');
  const loader = require('@grpc/proto-loader');
  const home = `${modules}/node_modules/@fivetrandevelopers/zetasql/lib/zetasql`;
  const child = spawn(enlarged(`${home}/remote_server.so`, `${modules}/evaluator`), ['localhost', String(port)], { stdio: 'ignore' });
  child.on('exit', () => process.exit(1));
  process.on('exit', () => child.kill('SIGKILL'));
  const options = { oneofs: true, longs: String, enums: String, includeDirs: [`${home}/protos`] };
  const service = grpc.loadPackageDefinition(loader.loadSync('local_service.proto', options)).zetasql.local_service;
  const api = new service.ZetaSqlLocalService(`localhost:${port}`, grpc.credentials.createInsecure(), {
    'grpc.max_send_message_length': MAXIMUM, 'grpc.max_receive_message_length': MAXIMUM,
  });
  const call = (method, request) => promisify(api[method].bind(api))(request);
  await ready(call);
  const language = await call('getLanguageOptions', { maximumFeatures: true });
  language.enabledLanguageFeatures = language.enabledLanguageFeatures.filter((feature) => !NOT_IN_BIGQUERY.has(feature));
  language.reservedKeywords = ['QUALIFY'];
  language.supportedStatementKinds = [];
  language.productMode = 'PRODUCT_EXTERNAL';
  const analysis = { languageOptions: language, defaultTimezone: 'UTC', errorMessageMode: 'ERROR_MESSAGE_ONE_LINE' };
  const functions = { languageOptions: language };

  /** The columns and rows of a query over `tables`: name to `{columns: [{name, type}], rows: [{cell}]}`. */
  async function evaluate(sql, tables) {
    refuse(sql);
    const request = { sql, options: analysis, simpleCatalog: catalog(tables, functions), tableContent: {} };
    for (const [name, table] of Object.entries(tables)) request.tableContent[name] = { tableData: { row: table.rows } };
    const answer = await checked(call('evaluateQuery', request));
    return { columns: answer.prepared.columns ?? [], rows: answer.content?.tableData?.row ?? [] };
  }

  /** The columns of a query that is not run. */
  async function prepare(sql, tables) {
    refuse(sql);
    const request = { sql, options: analysis, simpleCatalog: catalog(tables, functions), tableContent: {} };
    for (const name of Object.keys(tables)) request.tableContent[name] = { tableData: { row: [] } };
    const answer = await checked(call('prepareQuery', request));
    const id = answer.prepared.preparedQueryId;
    await call('unprepareQuery', { preparedQueryId: id });
    return answer.prepared.columns ?? [];
  }

  /** Looks through a whole statement of any kind; `tables` are those it names, by their paths. */
  async function analyze(sql, tables) {
    refuse(sql);
    const simpleCatalog = { ...catalog({}, functions), ...nested(tables) };
    await checked(call('analyze', { options: analysis, simpleCatalog, sqlStatement: sql }));
  }

  /** The names of the tables of a query, each as its parts. */
  async function tableNames(sql) {
    const answer = await checked(call('extractTableNamesFromStatement', { sqlStatement: sql, options: language }));
    return (answer.tableName ?? []).map((name) => name.tableNameSegment);
  }
  return { evaluate, prepare, analyze, tableNames };
}

async function ready(call) {
  for (let i = 0; ; i++) {
    try {
      await call('formatSql', { sql: 'SELECT 1' });
      return;
    } catch (error) {
      if (i > 150) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function checked(answer) {
  try {
    return await answer;
  } catch (error) {
    throw new SqlError(error.details ?? error.message);
  }
}

function catalog(tables, functions) {
  const table = Object.entries(tables).map(([name, { columns }]) => ({ name, column: columns }));
  return { name: 'catalog', builtinFunctionOptions: functions, table };
}

/** Tables with paths (`[{path, columns}]`) as catalogs in catalogs. */
function nested(tables, depth = 0) {
  const here = tables.filter(({ path }) => path.length === depth + 1);
  const below = new Map(tables.filter(({ path }) => path.length > depth + 1).map(({ path }) => [path[depth], []]));
  for (const one of tables) if (one.path.length > depth + 1) below.get(one.path[depth]).push(one);
  return {
    table: here.map(({ path, columns }) => ({ name: path[depth], column: columns })),
    catalog: [...below].map(([name, inside]) => ({ name, ...nested(inside, depth + 1) })),
  };
}

/** What the evaluator takes and BigQuery refuses, in BigQuery's words. */
function refuse(sql) {
  const code = sql.replace(/'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*"|`(?:\\.|[^`\\])*`|--[^\n]*/gs, "''");
  if (/\bAS\s+(?:BIG)?(?:NUMERIC|DECIMAL)\s*\(\s*\d/i.test(code)) {
    throw new SqlError('Parameterized types are not allowed in CAST expressions.');
  }
  for (const call of code.matchAll(/\b(?:OVER|ARRAY_AGG|STRING_AGG)\s*\(/gi)) {
    let depth = 1;
    let end = call.index + call[0].length;
    for (; end < code.length && depth; end++) depth += { '(': 1, ')': -1 }[code[end]] ?? 0;
    if (/\bNULLS\s+(?:FIRST|LAST)\b/i.test(code.slice(call.index, end))) {
      throw new SqlError('NULLS LAST not supported with ascending sort order in aggregate and analytic functions');
    }
  }
  if (/\bPERCENTILE_(?:CONT|DISC)\s*\([^()]*\)(?!\s*OVER)/i.test(code)) {
    throw new SqlError('Analytic function PERCENTILE_CONT cannot be called without an OVER clause');
  }
  if (/\bFILTER\s*\(\s*WHERE\b/i.test(code)) throw new SqlError('Syntax error: Expected end of input but got "("');
}
