// The tables of the double, in memory, under `project.dataset.table`.
import { SqlError } from './evaluator.mjs';
import { fieldOf, typeOf } from './values.mjs';

/** An error with the reason and the status that the REST API gives. */
export class ApiError extends SqlError {
  constructor(status, reason, message) {
    super(message);
    Object.assign(this, { status, reason });
  }
}

export class Store {
  tables = new Map();
  datasets = new Set();

  /** The full name for the parts of a path; `home` is `{project, dataset}`. */
  place(path, home) {
    const [table, dataset = home.dataset, project = home.project] = [...path].reverse();
    if (!dataset) throw new ApiError(400, 'invalid', `Table "${table}" must be qualified with a dataset (e.g. dataset.table).`);
    return `${project}.${dataset}.${table}`;
  }

  has(name) {
    return this.tables.has(name);
  }

  /** Every project has the dataset `springline_test`; others have to be created. */
  hasDataset(name) {
    return this.datasets.has(name) || name.split('.')[1] === 'springline_test';
  }

  shown(name) {
    return name.replace('.', ':');
  }

  missing(name) {
    const dataset = name.split('.').slice(0, 2).join('.');
    const what = this.hasDataset(dataset) ? `Table ${this.shown(name)}` : `Dataset ${this.shown(dataset)}`;
    throw new ApiError(404, 'notFound', `Not found: ${what} was not found in location US`);
  }

  table(path, home) {
    const name = this.place(path, home);
    this.allow(name);
    return this.tables.get(name) ?? this.missing(name);
  }

  /** A dataset whose name begins with `forbidden` lets nobody in. */
  allow(name) {
    const [project, dataset, table] = name.split('.');
    if (dataset.startsWith('forbidden')) {
      const where = table ? `Table ${project}:${dataset}.${table}` : `Project ${project}`;
      const what = table ? `User does not have permission to query table ${project}:${dataset}.${table}, or perhaps it does not exist.`
        : `User does not have bigquery.datasets.create permission in project ${project}.`;
      throw new ApiError(403, 'accessDenied', `Access Denied: ${where}: ${what}`);
    }
  }

  createDataset(path, home, ifMissing) {
    const [dataset, project = home.project] = [...path].reverse();
    const name = `${project}.${dataset}`;
    this.allow(name);
    if (this.hasDataset(name) && !ifMissing) throw new ApiError(409, 'duplicate', `Already Exists: Dataset ${this.shown(name)}`);
    this.datasets.add(name);
  }

  put(name, fields, rows) {
    this.allow(name);
    if (!this.hasDataset(name.split('.').slice(0, 2).join('.'))) this.missing(name);
    const columns = fields.map((field) => ({ name: field.name, type: typeOf(field) }));
    this.tables.set(name, { fields, columns, rows, shown: this.shown(name) });
  }

  remove(name) {
    this.tables.delete(name);
  }
}

export { fieldOf };
