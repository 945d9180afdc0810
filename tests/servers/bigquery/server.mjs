// A double of the BigQuery REST API v2, for tests: datasets, tables, query jobs (polled, paged, cancelled, dry),
// load jobs by multipart upload, and OAuth tokens for a service account. Written from Google's documentation
// (https://cloud.google.com/bigquery/docs/reference/rest). It is not BigQuery: tables live in memory and nothing is
// billed. Queries, however, are analyzed and evaluated by ZetaSQL, which is Google's own (evaluator.mjs); what changes
// tables is done in statements.mjs.
//
// node server.mjs MODULES PORT KEY_FILE: MODULES is the folder with `node_modules`; a key for a service account is
// written to KEY_FILE. It prints `ready` when it can be used.
//
// A comment in a query asks for what a good server does not do: `/* double: takes 3s */` lets it run so long,
// `/* double: breaks off */` ends the connection at the second page, `/* double: fails */` ends the job with an
// internal error, `/* double: busy */` makes the first answer a 503, `/* double: is cancelled */` and
// `/* double: times out */` end the job so. `/double/expire` ends the tokens that were given, `/double/jobs` tells of
// all jobs.
import { createHash, createVerify, generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { SqlError, start } from './evaluator.mjs';
import { Statements, size } from './statements.mjs';
import { ApiError, Store } from './store.mjs';
import { fieldOf, loadedValue, restValue } from './values.mjs';

const [modules, port, keyFile] = process.argv.slice(2);
const freePort = () => new Promise((resolve) => {
  const probe = createServer().listen(0, '127.0.0.1', () => {
    const { port: free } = probe.address();
    probe.close(() => resolve(free));
  });
});
let tokens = 0;
const goodToken = () => `double-access-token-${tokens}`;
const EMAIL = 'springline@double.iam.gserviceaccount.com';
const evaluator = await start(modules, await freePort());
const store = new Store();
const statements = new Statements(store, evaluator);
const jobs = new Map();
const cancelled = [];
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });

function token(form) {
  const given = new URLSearchParams(form);
  if (given.get('grant_type') === 'refresh_token') {
    if (given.get('refresh_token') !== 'double-refresh-token') throw new ApiError(400, 'invalid_grant', 'Bad Request');
    return { access_token: goodToken(), expires_in: 3600, token_type: 'Bearer' };
  }
  const [head, body, signature] = (given.get('assertion') ?? '').split('.');
  const claims = JSON.parse(Buffer.from(body ?? '', 'base64url').toString() || '{}');
  const good = createVerify('RSA-SHA256').update(`${head}.${body}`).verify(keys.publicKey, signature ?? '', 'base64url');
  if (!good || claims.iss !== EMAIL || claims.exp * 1000 < Date.now()) {
    throw new ApiError(400, 'invalid_grant', 'Invalid JWT Signature.');
  }
  return { access_token: goodToken(), expires_in: 3600, token_type: 'Bearer' };
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const asked = (sql, what) => new RegExp(`/\\* double: ${what} \\*/`).exec(sql);

function failure(error) {
  if (!(error instanceof SqlError)) console.error(error);
  return { reason: error.reason ?? 'invalidQuery', message: error.message, status: error.status ?? 400 };
}

/** Begins a job; what it has become is in `jobs`. */
function begin(project, request, data) {
  const id = request.jobReference?.jobId ?? createHash('md5').update(String(jobs.size)).digest('hex');
  const name = `${project}.${id}`;
  if (jobs.has(name)) throw new ApiError(409, 'duplicate', `Already Exists: Job ${project}:US.${id}`);
  const job = { project, id, request, state: 'RUNNING', labels: request.configuration.labels };
  jobs.set(name, job);
  const work = request.configuration.query ? runQuery(job) : runLoad(job, data);
  job.done = work.then(
    (result) => Object.assign(job, job.state === 'DONE' ? {} : { state: 'DONE', result }),
    (error) => Object.assign(job, job.state === 'DONE' ? {} : { state: 'DONE', error: failure(error) }),
  );
  return job;
}

async function runQuery(job) {
  const { query: sql, defaultDataset } = job.request.configuration.query;
  const wait = asked(sql, 'takes (\\d+)s');
  if (wait) await sleep(1000 * Number(wait[1]));
  if (job.state === 'DONE') return {};
  if (asked(sql, 'fails')) throw new ApiError(500, 'backendError', 'The job encountered an error during execution. Retrying the job may solve the problem.');
  if (asked(sql, 'is cancelled')) throw new ApiError(499, 'stopped', 'Job execution was cancelled: User requested cancellation');
  if (asked(sql, 'times out')) throw new ApiError(499, 'stopped', 'Job execution was cancelled: Job timed out after 1s');
  const home = { project: job.project, dataset: defaultDataset?.datasetId };
  return statements.run(sql.replaceAll(/\bSESSION_USER\(\)/g, `'${EMAIL}'`), home);
}

async function runLoad(job, data) {
  const { destinationTable: to, schema, writeDisposition, createDisposition } = job.request.configuration.load;
  const name = `${to.projectId}.${to.datasetId}.${to.tableId}`;
  store.allow(name);
  if (!store.has(name)) {
    if (createDisposition === 'CREATE_NEVER' || !schema) store.missing(name);
    store.put(name, schema.fields, []);
  }
  const table = store.tables.get(name);
  const known = new Map(table.fields.map((field) => [field.name.toLowerCase(), field]));
  const rows = data.split('\n').filter(Boolean).map((line) => {
    let values;
    try {
      const raw = JSON.parse(line);
      values = new Map(Object.entries(raw).map(([key, value]) => [key.toLowerCase(), value]));
      for (const key of values.keys()) if (!known.has(key)) throw new Error(`No such field: ${key}.`);
      return { cell: table.fields.map((field) => loadedValue(values.get(field.name.toLowerCase()), field)) };
    } catch (error) {
      throw new ApiError(400, 'invalid', `Error while reading data, error message: JSON table encountered too many errors, giving up. Rows: 1; errors: 1. ${error.message}`);
    }
  });
  table.rows = writeDisposition === 'WRITE_TRUNCATE' ? rows : table.rows.concat(rows);
  return { type: 'LOAD', affected: rows.length };
}

function shownJob(job) {
  const { error, result } = job;
  const errorResult = error && { reason: error.reason, message: error.message };
  return {
    kind: 'bigquery#job',
    jobReference: { projectId: job.project, jobId: job.id, location: 'US' },
    configuration: { labels: job.labels },
    status: { state: job.state, ...(errorResult ? { errorResult, errors: [errorResult] } : {}) },
    statistics: { load: { outputRows: String(result?.affected ?? 0) }, query: { statementType: result?.type } },
  };
}

async function insertJob(project, request, data) {
  const { query } = request.configuration;
  if (!query && !request.configuration.load) throw new ApiError(400, 'invalid', 'Required parameter is missing: query');
  if (!request.configuration.dryRun) return shownJob(begin(project, request, data));
  const { bytes, columns } = await statements.plan(query.query, { project, dataset: query.defaultDataset?.datasetId });
  const schema = { fields: columns.map((column) => fieldOf(column.name, column.type)) };
  return { status: { state: 'DONE' }, statistics: { totalBytesProcessed: String(bytes), query: { totalBytesProcessed: String(bytes), schema } } };
}

async function queryResults(job, params, response) {
  const timeout = Math.min(Number(params.get('timeoutMs') ?? 10000), 20000);
  await Promise.race([job.done, sleep(timeout)]);
  const jobReference = { projectId: job.project, jobId: job.id, location: 'US' };
  if (job.state !== 'DONE') return { jobComplete: false, jobReference };
  if (job.error) throw Object.assign(new ApiError(job.error.status, job.error.reason, job.error.message));
  const { columns = [], rows = [], affected } = job.result;
  const from = Number(params.get('pageToken') ?? params.get('startIndex') ?? 0);
  if (from > 0 && asked(job.request.configuration.query.query, 'breaks off')) return response.destroy();
  // Ten megabytes a page, whatever is asked for.
  const upto = Math.min(rows.length, from + Number(params.get('maxResults') ?? 10000), from + 50000);
  const micros = params.get('formatOptions.useInt64Timestamp') === 'true';
  const shown = rows.slice(from, upto).map((row) => ({ f: columns.map((column, i) => ({ v: restValue(row.cell[i], column.type, micros) })) }));
  return {
    jobComplete: true, jobReference, totalRows: String(rows.length), rows: shown,
    ...(columns.length ? { schema: { fields: columns.map((column, i) => fieldOf(column.name || `f${i}_`, column.type)) } } : {}),
    ...(upto < rows.length ? { pageToken: String(upto) } : {}),
    ...(affected === undefined ? {} : { numDmlAffectedRows: String(affected) }),
  };
}

const find = (project, id) => jobs.get(`${project}.${id}`) ?? (() => { throw new ApiError(404, 'notFound', `Not found: Job ${project}:US.${id}`); })();

function shownTable(name) {
  const table = store.tables.get(name) ?? store.missing(name);
  const [projectId, datasetId, tableId] = name.split('.');
  return {
    kind: 'bigquery#table', type: 'TABLE', tableReference: { projectId, datasetId, tableId },
    schema: { fields: table.fields }, numRows: String(table.rows.length), numBytes: String(size(table)),
  };
}

/** A page of a list, two at a time so that paging is used. */
function page(items, name, params) {
  const from = Number(params.get('pageToken') ?? 0);
  const upto = from + Math.min(Number(params.get('maxResults') ?? 50), 50);
  return { [name]: items.slice(from, upto), ...(upto < items.length ? { nextPageToken: String(upto) } : {}) };
}

const ROUTES = [
  ['POST', /^\/bigquery\/v2\/projects\/([^/]+)\/jobs$/, (r) => insertJob(r.path[0], r.json())],
  ['POST', /^\/upload\/bigquery\/v2\/projects\/([^/]+)\/jobs$/, (r) => { const [request, data] = r.multipart(); return insertJob(r.path[0], JSON.parse(request), data); }],
  ['GET', /^\/bigquery\/v2\/projects\/([^/]+)\/jobs\/([^/]+)$/, (r) => shownJob(find(...r.path))],
  ['POST', /^\/bigquery\/v2\/projects\/([^/]+)\/jobs\/([^/]+)\/cancel$/, (r) => cancel(find(...r.path))],
  ['GET', /^\/bigquery\/v2\/projects\/([^/]+)\/queries\/([^/]+)$/, (r) => queryResults(find(...r.path), r.params, r.response)],
  ['GET', /^\/bigquery\/v2\/projects\/([^/]+)\/datasets$/, (r) => page(datasetsOf(r.path[0]), 'datasets', r.params)],
  ['GET', /^\/bigquery\/v2\/projects\/([^/]+)\/datasets\/([^/]+)\/tables$/, (r) => page(tablesOf(r.path.join('.')), 'tables', r.params)],
  ['POST', /^\/bigquery\/v2\/projects\/([^/]+)\/datasets\/([^/]+)\/tables$/, (r) => createTable(r.json())],
  ['GET', /^\/bigquery\/v2\/projects\/([^/]+)\/datasets\/([^/]+)\/tables\/([^/]+)$/, (r) => { store.allow(r.path.join('.')); return shownTable(r.path.join('.')); }],
  ['DELETE', /^\/bigquery\/v2\/projects\/([^/]+)\/datasets\/([^/]+)\/tables\/([^/]+)$/, (r) => { store.remove(r.path.join('.')); return {}; }],
  // What the tests ask the double itself.
  ['GET', /^\/double\/expire$/, () => { tokens += 1; return {}; }],
  ['GET', /^\/double\/jobs$/, () => ({ cancelled, jobs: [...jobs.values()].map((job) => ({ id: job.id, state: job.state, labels: job.labels })) })],
];

function cancel(job) {
  if (job.state !== 'DONE') Object.assign(job, { state: 'DONE', error: { status: 499, reason: 'stopped', message: 'Job execution was cancelled: User requested cancellation' } });
  cancelled.push(`${job.project}.${job.id}`);
  return { job: shownJob(job) };
}

function datasetsOf(project) {
  const own = [...store.datasets].filter((name) => name.startsWith(`${project}.`));
  return own.map((name) => ({ datasetReference: { projectId: project, datasetId: name.split('.')[1] } }));
}

function tablesOf(dataset) {
  if (!store.hasDataset(dataset)) store.missing(`${dataset}.`);
  const own = [...store.tables.keys()].filter((name) => name.startsWith(`${dataset}.`));
  return own.map((name) => { const { tableReference, type } = shownTable(name); return { tableReference, type }; });
}

function createTable({ tableReference: t, schema }) {
  store.put(`${t.projectId}.${t.datasetId}.${t.tableId}`, schema.fields, []);
  return shownTable(`${t.projectId}.${t.datasetId}.${t.tableId}`);
}

function multipart(request, body) {
  const boundary = /boundary="?([^";]+)"?/.exec(request.headers['content-type'] ?? '')?.[1];
  if (!boundary) throw new ApiError(400, 'badContent', 'Missing boundary');
  const pieces = body.split(`--${boundary}`).slice(1, 3);
  return pieces.map((piece) => piece.slice(piece.indexOf('\r\n\r\n') + 4).replace(/\r\n$/, ''));
}

function answer(response, status, body) {
  const text = JSON.stringify(body);
  response.writeHead(status, { 'content-type': 'application/json; charset=UTF-8', ...(status === 503 ? { 'retry-after': '0' } : {}) });
  response.end(text);
}

const busy = new Set();

createServer(async (request, response) => {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const body = Buffer.concat(chunks).toString();
  const url = new URL(request.url, 'http://double');
  try {
    if (url.pathname === '/token') return answer(response, 200, token(body));
    if (!url.pathname.startsWith('/double/') && request.headers.authorization !== `Bearer ${goodToken()}`) {
      throw new ApiError(401, 'authError', 'Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.');
    }
    if (asked(body, 'busy') && !busy.has(body.length)) {
      busy.add(body.length);
      throw new ApiError(503, 'backendError', 'Service unavailable');
    }
    const route = ROUTES.find(([method, path]) => method === request.method && path.test(url.pathname));
    if (!route) throw new ApiError(404, 'notFound', `no ${request.method} ${url.pathname} here`);
    const path = route[1].exec(url.pathname).slice(1).map(decodeURIComponent);
    const made = await route[2]({ path, params: url.searchParams, response, json: () => JSON.parse(body), multipart: () => multipart(request, body) });
    if (!response.destroyed) answer(response, 200, made);
  } catch (error) {
    if (url.pathname === '/token') return answer(response, 400, { error: error.reason, error_description: error.message });
    const { status, reason, message } = failure(error);
    answer(response, status, { error: { code: status, message, errors: [{ reason, message, domain: 'global' }], status: reason } });
  }
}).listen(Number(port), '127.0.0.1', () => {
  const endpoint = `http://127.0.0.1:${port}`;
  const key = {
    type: 'service_account', project_id: 'double', private_key_id: '1', client_email: EMAIL, token_uri: `${endpoint}/token`,
    private_key: keys.privateKey.export({ type: 'pkcs8', format: 'pem' }),
  };
  writeFileSync(keyFile, JSON.stringify(key));
  console.log('ready');
});
for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => process.exit(0));
