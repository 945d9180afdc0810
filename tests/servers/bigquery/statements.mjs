// Statements: what changes tables is done here, in the semantics that Google documents for it; every query and every
// condition inside is evaluated by ZetaSQL.
// https://cloud.google.com/bigquery/docs/reference/standard-sql/data-definition-language
// https://cloud.google.com/bigquery/docs/reference/standard-sql/dml-syntax
import { SqlError } from './evaluator.mjs';
import { fieldOf, parseType, typeOf } from './values.mjs';

const PATH = '((?:`(?:\\\\.|[^`\\\\])+`|[\\w-]+)(?:\\s*\\.\\s*(?:`(?:\\\\.|[^`\\\\])+`|[\\w-]+))*)';
const pattern = (text) => new RegExp(`^${text.replaceAll(' ', '\\s+').replaceAll('PATH', PATH)}`, 'is');
const CREATE_SCHEMA = pattern('CREATE SCHEMA (IF NOT EXISTS )?PATH');
const CREATE_TABLE = pattern('CREATE (OR REPLACE )?TABLE (IF NOT EXISTS )?PATH');
const DROP_TABLE = pattern('DROP TABLE (IF EXISTS )?PATH');
const INSERT = pattern('INSERT (?:INTO )?PATH\\s*');
const DELETE = pattern('DELETE (?:FROM )?PATH(?: AS (\\S+))? WHERE');
const ALTER_TABLE = pattern('ALTER TABLE PATH');
const MERGE = pattern('MERGE (?:INTO )?PATH(?: AS (\\S+))? USING PATH(?: AS (\\S+))? ON');
const KEYWORDS = /^(WHERE|JOIN|INNER|LEFT|RIGHT|FULL|CROSS|ON|USING|GROUP|ORDER|HAVING|LIMIT|UNION|EXCEPT|INTERSECT|WINDOW|QUALIFY|TABLESAMPLE|PIVOT|UNPIVOT|FOR)$/i;

/** The parts of a path as it is written. */
export function parts(path) {
  const found = path.match(/`(?:\\.|[^`\\])+`|[\w-]+/gs) ?? [];
  return found.flatMap((part) => (part.startsWith('`') ? part.slice(1, -1).replace(/\\(.)/gs, '$1').split('.') : [part]));
}

export class Statements {
  constructor(store, evaluator) {
    Object.assign(this, { store, evaluator });
  }

  /** Runs a statement: `{columns, rows}` of a query, `{affected}` of any other. */
  async run(text, home) {
    const sql = text.replace(/^(?:\s+|--[^\n]*\n|\/\*.*?\*\/)+/s, '').replace(/[;\s]+$/, '');
    const word = sql.split(/[\s(]/, 1)[0].toUpperCase();
    switch (word) {
      case 'CREATE': return this.create(sql, home);
      case 'DROP': return this.drop(sql, home);
      case 'INSERT': return this.insert(sql, home);
      case 'DELETE': return this.delete(sql, home);
      case 'MERGE': return this.merge(sql, home);
      default: return { type: 'SELECT', ...(await this.query(sql, home)) };
    }
  }

  async query(sql, home) {
    const { text, tables } = await this.placed(sql, home);
    return this.evaluator.evaluate(text, tables);
  }

  /** What a dry run tells: the columns of a query, and the bytes of the tables that a statement reads. ZetaSQL looks
   * through all of it. */
  async plan(text, home) {
    const sql = text.replace(/[;\s]+$/, '');
    const made = CREATE_TABLE.exec(sql)?.[3] ?? DROP_TABLE.exec(sql)?.[2];
    const there = (path) => !made || path.join('.') !== parts(made).join('.') || this.store.has(this.store.place(path, home));
    const names = (await this.evaluator.tableNames(sql)).filter(there);
    // ZetaSQL does not count the table that is altered among those of the statement.
    const altered = ALTER_TABLE.exec(sql)?.[1];
    if (altered) names.push(parts(altered));
    const tables = names.map((path) => ({ path, table: this.store.table(path.flatMap((part) => part.split('.')), home) }));
    await this.evaluator.analyze(sql, tables.map(({ path, table }) => ({ path, columns: table.columns })));
    const bytes = tables.reduce((sum, { table }) => sum + size(table), 0);
    if (!/^\s*(?:--[^\n]*\n\s*)*(?:WITH|SELECT|\()/i.test(sql)) return { columns: [], bytes };
    const placed = await this.placed(sql, home);
    return { columns: await this.evaluator.prepare(placed.text, placed.tables), bytes };
  }

  /** The query with each table's path as one name, and those tables. */
  async placed(sql, home, own = {}) {
    const tables = {};
    const paths = new Set();
    for (const name of await this.evaluator.tableNames(sql)) {
      const path = name.flatMap((part) => part.split('.'));
      tables[path.join('.')] = own[path.join('.')] ?? this.store.table(path, home);
      if (path.length > 1) paths.add(path.join('.'));
    }
    const token = new RegExp(`'(?:\\\\.|[^'\\\\])*'|"(?:\\\\.|[^"\\\\])*"|--[^\\n]*|(?:\\b(FROM|JOIN)\\s+|,\\s*)${PATH}(?=(\\s+(?:AS\\s+)?(?:\`|\\w+))?)`, 'gis');
    const text = sql.replace(token, (all, before, path, after) => {
      if (!path || !paths.has(parts(path).join('.'))) return all;
      const own = after && !KEYWORDS.test(after.trim().split(/\s+/)[0]);
      const alias = own ? '' : ` AS \`${parts(path).at(-1)}\``;
      const head = all.slice(0, all.indexOf(path));
      return `${head}\`${parts(path).join('.')}\`${alias}`;
    });
    return { text, tables };
  }

  async create(sql, home) {
    const schema = CREATE_SCHEMA.exec(sql);
    if (schema) {
      this.store.createDataset(parts(schema[2]), home, Boolean(schema[1]));
      return { type: 'CREATE_SCHEMA', affected: 0 };
    }
    const found = CREATE_TABLE.exec(sql);
    if (!found) throw new SqlError('Syntax error: Unexpected keyword CREATE');
    const [head, replace, ifMissing, path] = found;
    const name = this.store.place(parts(path), home);
    const rest = sql.slice(head.length).trim();
    if (this.store.has(name) && !replace) {
      if (ifMissing) return { type: 'CREATE_TABLE', affected: 0 };
      throw new SqlError(`Already Exists: Table ${this.store.shown(name)}`);
    }
    const declared = rest.startsWith('(') ? columnsOf(inside(rest, 0)) : null;
    const query = /^(?:\(.*?\)\s*)?AS\s+(.*)$/is.exec(declared ? rest.slice(inside(rest, 0).length + 2).trim() : rest)?.[1];
    if (!query) {
      if (!declared) throw new SqlError('Syntax error: a table has columns');
      this.store.put(name, declared, []);
      return { type: 'CREATE_TABLE', affected: 0 };
    }
    const { columns, rows } = await this.query(query, home);
    const unnamed = columns.findIndex((column) => !column.name);
    if (unnamed >= 0) throw new SqlError(`CREATE TABLE columns must be named, but column ${unnamed + 1} has no name`);
    const fields = columns.map((column) => fieldOf(column.name, column.type));
    this.store.put(name, declared ?? fields, rows.map((row) => ({ cell: row.cell.map((value, i) => stored(value, columns[i].type)) })));
    return { type: 'CREATE_TABLE_AS_SELECT', affected: rows.length };
  }

  async drop(sql, home) {
    const found = DROP_TABLE.exec(sql);
    if (!found) throw new SqlError('Syntax error: Unexpected keyword DROP');
    const name = this.store.place(parts(found[2]), home);
    if (!this.store.has(name) && !found[1]) this.store.missing(name);
    this.store.remove(name);
    return { type: 'DROP_TABLE', affected: 0 };
  }

  async insert(sql, home) {
    const [head, path] = INSERT.exec(sql) ?? [];
    if (!head) throw new SqlError('Syntax error: Unexpected keyword INSERT');
    const table = this.store.table(parts(path), home);
    let rest = sql.slice(head.length);
    let names = table.columns.map((column) => column.name);
    if (/^\(\s*[`\w]/.test(rest) && !/^\(\s*(SELECT|WITH)\b/i.test(rest)) {
      const list = inside(rest, 0);
      names = split(list).map((name) => parts(name.trim())[0]);
      rest = rest.slice(list.length + 2).trim();
    }
    const query = /^VALUES\b/i.test(rest) ? union(rest.slice(6)) : rest;
    const { columns, rows } = await this.query(query, home);
    if (columns.length !== names.length) {
      throw new SqlError(`Inserted row has wrong column count; Has ${columns.length}, expected ${names.length}`);
    }
    const places = names.map((name) => placeOf(table, name));
    const converts = places.map((place, i) => conversion(columns[i].type, table.columns[place], i));
    const made = rows.map((row) => {
      const cell = table.columns.map(() => ({}));
      places.forEach((place, i) => { cell[place] = converts[i](row.cell[i]); });
      return checked({ cell }, table);
    });
    table.rows = table.rows.concat(made);
    return { type: 'INSERT', affected: made.length };
  }

  async delete(sql, home) {
    const found = DELETE.exec(sql);
    if (!found) throw new SqlError('DELETE must have a WHERE clause');
    const table = this.store.table(parts(found[1]), home);
    const alias = found[2] ?? `\`${parts(found[1]).at(-1)}\``;
    const condition = await this.placed(`SELECT (${sql.slice(found[0].length)}) IS TRUE FROM \`__target\` AS ${alias}`, home, { __target: table });
    const { rows } = await this.evaluator.evaluate(condition.text, condition.tables);
    const kept = table.rows.filter((_, i) => !rows[i].cell[0].boolValue);
    const affected = table.rows.length - kept.length;
    table.rows = kept;
    return { type: 'DELETE', affected };
  }

  /** MERGE by one join of numbered rows: ZetaSQL says which clause holds for each pair and what it gives. */
  async merge(sql, home) {
    const found = MERGE.exec(sql);
    if (!found) throw new SqlError('Syntax error: MERGE');
    const [head, into, target, using, source] = found;
    const table = this.store.table(parts(into), home);
    const t = target ?? `\`${parts(into).at(-1)}\``;
    const s = source ?? `\`${parts(using).at(-1)}\``;
    const [on, ...clauses] = sql.slice(head.length).split(/\bWHEN\s+(?=(?:NOT\s+)?MATCHED\b)/i);
    const actions = clauses.map((clause) => clauseOf(clause, table));
    const numbered = { columns: [...table.columns, numberColumn('__row')], rows: table.rows.map((row, i) => ({ cell: [...row.cell, number(i)] })) };
    const from = this.store.table(parts(using), home);
    const given = { columns: [...from.columns, numberColumn('__given')], rows: from.rows.map((row, i) => ({ cell: [...row.cell, number(i)] })) };
    const which = actions.map((action, i) => `WHEN ${t}.__row IS ${action.matched ? 'NOT ' : ''}NULL AND (${action.condition}) THEN ${i}`).join(' ');
    const values = actions.flatMap((action) => action.values.map((value) => value.sql));
    const query = `SELECT ${t}.__row, CASE ${which} END, ${values.join(', ') || '1'} FROM \`__given\` AS ${s} LEFT JOIN \`__target\` AS ${t} ON ${on}`;
    const { columns, rows } = await this.evaluator.evaluate(query, { __target: numbered, __given: given });
    let offset = 2;
    for (const action of actions) {
      action.values.forEach((value, i) => { value.at = offset + i; value.convert = conversion(columns[offset + i].type, table.columns[value.place], i); });
      offset += action.values.length;
    }
    return { type: 'MERGE', affected: apply(table, actions, rows) };
  }
}

function apply(table, actions, rows) {
  const changed = new Map();
  const added = [];
  for (const { cell } of rows) {
    if (cell[1].int64Value === undefined) continue;
    const action = actions[Number(cell[1].int64Value)];
    const give = (made) => action.values.forEach((value) => { made[value.place] = value.convert(cell[value.at]); });
    if (!action.matched) {
      const made = table.columns.map(() => ({}));
      give(made);
      added.push(checked({ cell: made }, table));
      continue;
    }
    const place = Number(cell[0].int64Value);
    if (changed.has(place)) throw new SqlError('UPDATE/MERGE must match at most one source row for each target row');
    if (action.delete) changed.set(place, null);
    else {
      const made = [...table.rows[place].cell];
      give(made);
      changed.set(place, checked({ cell: made }, table));
    }
  }
  table.rows = table.rows.map((row, i) => (changed.has(i) ? changed.get(i) : row)).filter(Boolean).concat(added);
  return changed.size + added.length;
}

function clauseOf(text, table) {
  const found = /^(NOT\s+)?MATCHED(?:\s+BY\s+TARGET)?\s*(?:AND\s+(.*?)\s*)?THEN\s+(DELETE|UPDATE\s+SET|INSERT)\s*(.*)$/is.exec(text);
  if (!found) throw new SqlError('Syntax error: WHEN');
  const [, not, condition = 'TRUE', what, rest] = found;
  const action = { matched: !not, condition, delete: /^DELETE/i.test(what), values: [] };
  if (/^UPDATE/i.test(what)) {
    action.values = split(rest).map((one) => {
      const at = one.indexOf('=');
      return { place: placeOf(table, parts(one.slice(0, at)).at(-1)), sql: one.slice(at + 1) };
    });
  } else if (/^INSERT/i.test(what)) {
    const names = split(inside(rest, 0)).map((name) => parts(name)[0]);
    const values = split(inside(rest, rest.indexOf('(', inside(rest, 0).length + 2)));
    action.values = names.map((name, i) => ({ place: placeOf(table, name), sql: values[i] }));
  }
  return action;
}

const numberColumn = (name) => ({ name, type: { typeKind: 'TYPE_INT64' } });
const number = (n) => ({ int64Value: String(n), value: 'int64Value' });

function placeOf(table, name) {
  const place = table.columns.findIndex((column) => column.name.toLowerCase() === name.toLowerCase());
  if (place < 0) throw new SqlError(`Column ${name} is not present in table ${table.shown}`);
  return place;
}

const KINDS = { TYPE_DOUBLE: 'FLOAT64', TYPE_BOOL: 'BOOL' };
const shownType = (type) => KINDS[type.typeKind] ?? type.typeKind.slice(5);

/** How a value of a query becomes one of a column; types that BigQuery does not coerce are refused. */
function conversion(from, column, place) {
  const to = column.type.typeKind;
  if (from.typeKind === to) return (value) => stored(value, column.type);
  if (from.typeKind === 'TYPE_NUMERIC' && to === 'TYPE_BIGNUMERIC') {
    return (value) => (value.value === undefined ? {} : { bignumericValue: scaled(value.numericValue), value: 'bignumericValue' });
  }
  if (from.typeKind === 'TYPE_INT64' && to === 'TYPE_DOUBLE') {
    return (value) => (value.value === undefined ? {} : { doubleValue: Number(value.int64Value), value: 'doubleValue' });
  }
  throw new SqlError(`Query column ${place + 1} has type ${shownType(from)} which cannot be inserted into column ${column.name}, which has type ${shownType(column.type)}`);
}

function scaled(bytes) {
  let n = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) n = (n << 8n) | BigInt(bytes[i]);
  if (bytes.length && bytes[bytes.length - 1] & 0x80) n -= 1n << BigInt(8 * bytes.length);
  n *= 10n ** 29n;
  const made = [];
  for (let i = 0; i < 33; i++, n >>= 8n) made.push(Number(n & 0xffn));
  return Buffer.from(made.slice(0, 32));
}

/** A table holds no null array, but an empty one. */
function stored(value, type) {
  const isNull = value.value === undefined;
  return isNull && type.typeKind === 'TYPE_ARRAY' ? { arrayValue: { element: [] }, value: 'arrayValue' } : value;
}

function checked(row, table) {
  table.fields.forEach((field, i) => {
    if (field.mode === 'REQUIRED' && row.cell[i].value === undefined) throw new SqlError(`Required field ${field.name} cannot be null`);
  });
  return row;
}

/** The text inside the brackets that open at or behind `from`. */
function inside(text, from) {
  const start = text.indexOf('(', from);
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '(') depth += 1;
    if (text[i] === ')' && --depth === 0) return text.slice(start + 1, i);
  }
  throw new SqlError('Syntax error: Expected ")" but got end of statement');
}

/** What stands between the commas that no bracket and no quote holds. */
function split(text) {
  const found = [];
  let [depth, from, quote] = [0, 0, ''];
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === '\\') i += 1;
      else if (c === quote) quote = '';
    } else if (`'"\``.includes(c)) quote = c;
    else if ('(<['.includes(c)) depth += 1;
    else if (')>]'.includes(c)) depth -= 1;
    else if (c === ',' && !depth) { found.push(text.slice(from, i).trim()); from = i + 1; }
  }
  found.push(text.slice(from).trim());
  return found;
}

const union = (rows) => split(rows.trim()).map((row) => `SELECT ${inside(row, 0)}`).join(' UNION ALL ');

function columnsOf(text) {
  return split(text).map((one) => {
    const [, written, rest] = new RegExp(`^${PATH}\\s+(.*)$`, 's').exec(one) ?? [];
    if (!written) throw new SqlError('Syntax error: a column has a name and a type');
    const required = /\s+NOT\s+NULL\s*$/i.test(rest);
    let field;
    try {
      field = { name: parts(written)[0], ...parseType(rest.replace(/\s+NOT\s+NULL\s*$/i, '')) };
    } catch (error) {
      throw new SqlError(error.message);
    }
    return required ? { ...field, mode: 'REQUIRED' } : field;
  });
}

const size = (table) => table.rows.length * 8 * Math.max(table.columns.length, 1);
export { size, typeOf };
