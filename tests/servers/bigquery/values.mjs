// Values and types as ZetaSQL's protocol has them (zetasql/public/value.proto, type.proto), as the REST API writes them
// in rows (https://cloud.google.com/bigquery/docs/reference/rest/v2/tabledata/list) and as a load job reads them.

const KINDS = {
  BOOL: 'TYPE_BOOL', BOOLEAN: 'TYPE_BOOL', INT64: 'TYPE_INT64', INTEGER: 'TYPE_INT64', FLOAT64: 'TYPE_DOUBLE',
  FLOAT: 'TYPE_DOUBLE', STRING: 'TYPE_STRING', BYTES: 'TYPE_BYTES', DATE: 'TYPE_DATE', DATETIME: 'TYPE_DATETIME',
  TIME: 'TYPE_TIME', TIMESTAMP: 'TYPE_TIMESTAMP', NUMERIC: 'TYPE_NUMERIC', BIGNUMERIC: 'TYPE_BIGNUMERIC',
  JSON: 'TYPE_JSON',
};
// The names that the REST API gives, which are those of the old dialect.
const REST = {
  TYPE_BOOL: 'BOOLEAN', TYPE_INT64: 'INTEGER', TYPE_DOUBLE: 'FLOAT', TYPE_STRING: 'STRING', TYPE_BYTES: 'BYTES',
  TYPE_DATE: 'DATE', TYPE_DATETIME: 'DATETIME', TYPE_TIME: 'TIME', TYPE_TIMESTAMP: 'TIMESTAMP',
  TYPE_NUMERIC: 'NUMERIC', TYPE_BIGNUMERIC: 'BIGNUMERIC', TYPE_JSON: 'JSON',
};

/** A field of the REST API as a type of ZetaSQL. */
export function typeOf(field) {
  const kind = KINDS[field.type.toUpperCase()];
  const item = field.type === 'RECORD' || field.type === 'STRUCT'
    ? { typeKind: 'TYPE_STRUCT', structType: { field: field.fields.map((f) => ({ fieldName: f.name, fieldType: typeOf(f) })) } }
    : { typeKind: kind };
  if (!kind && !item.structType) throw new Error(`Invalid value for type: ${field.type} is not a valid value`);
  return field.mode === 'REPEATED' ? { typeKind: 'TYPE_ARRAY', arrayType: { elementType: item } } : item;
}

/** A column of ZetaSQL as a field of the REST API. */
export function fieldOf(name, type) {
  if (type.typeKind === 'TYPE_ARRAY') return { ...fieldOf(name, type.arrayType.elementType), mode: 'REPEATED' };
  if (type.typeKind === 'TYPE_STRUCT') {
    return { name, type: 'RECORD', mode: 'NULLABLE', fields: (type.structType.field ?? []).map((f) => fieldOf(f.fieldName, f.fieldType)) };
  }
  return { name, type: REST[type.typeKind] ?? type.typeKind, mode: 'NULLABLE' };
}

/** A type in the words of DDL. */
export function parseType(words) {
  const text = words.trim();
  const array = /^ARRAY\s*<(.*)>$/is.exec(text);
  if (array) return { ...parseType(array[1]), mode: 'REPEATED' };
  const plain = /^(\w+)\s*(\([\d\s,]+\))?$/.exec(text);
  if (!plain || !KINDS[plain[1].toUpperCase()]) throw new Error(`Type not found: ${text}`);
  const digits = plain[2] ? plain[2].slice(1, -1).split(',').map((n) => n.trim()) : [];
  const field = { type: REST[KINDS[plain[1].toUpperCase()]], mode: 'NULLABLE' };
  if (digits.length) field.precision = digits[0];
  if (digits.length > 1) field.scale = digits[1];
  return field;
}

function decimalText(bytes, scale) {
  let n = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) n = (n << 8n) | BigInt(bytes[i]);
  if (bytes.length && bytes[bytes.length - 1] & 0x80) n -= 1n << BigInt(8 * bytes.length);
  const digits = (n < 0n ? -n : n).toString().padStart(scale + 1, '0');
  const fraction = digits.slice(-scale).replace(/0+$/, '');
  return `${n < 0n ? '-' : ''}${digits.slice(0, -scale)}${fraction ? `.${fraction}` : ''}`;
}

function decimalBytes(text, scale) {
  const found = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text.trim());
  if (!found || !(found[2] || found[3])) throw new Error('Invalid NUMERIC value');
  const [, sign, whole, fraction = '', exponent = '0'] = found;
  const shift = scale - fraction.length + Number(exponent);
  let n = BigInt(whole + fraction || '0');
  if (shift >= 0) n *= 10n ** BigInt(shift);
  else {
    const divisor = 10n ** BigInt(-shift);
    n = (n + divisor / 2n) / divisor;
  }
  if (sign === '-') n = -n;
  const bytes = [];
  for (;;) {
    const byte = Number(n & 0xffn);
    bytes.push(byte);
    n >>= 8n;
    if ((n === 0n && !(byte & 0x80)) || (n === -1n && byte & 0x80)) return Buffer.from(bytes);
  }
}

const pad = (n, width) => String(n).padStart(width, '0');
const dayText = (days) => new Date(days * 86400000).toISOString().slice(0, 10);
const fractionText = (micros) => (micros ? `.${pad(micros, 6)}` : '');

/** A value as the REST API writes it: text, or null, or a list, or a structure. */
export function restValue(value, type, int64Timestamps) {
  const kind = type.typeKind;
  if (kind === 'TYPE_ARRAY') {
    const items = value.arrayValue?.element ?? [];
    return items.map((item) => ({ v: restValue(item, type.arrayType.elementType, int64Timestamps) }));
  }
  if (value == null || value.value === undefined) return null;
  switch (kind) {
    case 'TYPE_BOOL': return String(value.boolValue);
    case 'TYPE_INT64': return String(value.int64Value);
    case 'TYPE_DOUBLE': return floatText(value.doubleValue);
    case 'TYPE_STRING': return value.stringValue;
    case 'TYPE_BYTES': return Buffer.from(value.bytesValue).toString('base64');
    case 'TYPE_JSON': return value.jsonValue;
    case 'TYPE_DATE': return dayText(value.dateValue);
    case 'TYPE_NUMERIC': return decimalText(value.numericValue, 9);
    case 'TYPE_BIGNUMERIC': return decimalText(value.bignumericValue, 38);
    case 'TYPE_TIMESTAMP': {
      const micros = BigInt(value.timestampValue.seconds ?? 0) * 1000000n + BigInt(Math.trunc((value.timestampValue.nanos ?? 0) / 1000));
      return int64Timestamps ? micros.toString() : (Number(micros) / 1e6).toExponential();
    }
    case 'TYPE_DATETIME': {
      const bits = BigInt(value.datetimeValue.bitFieldDatetimeSeconds);
      const part = (shift, width) => Number((bits >> shift) & ((1n << width) - 1n));
      const micros = Math.trunc((value.datetimeValue.nanos ?? 0) / 1000);
      return `${pad(part(26n, 14n), 4)}-${pad(part(22n, 4n), 2)}-${pad(part(17n, 5n), 2)}T${pad(part(12n, 5n), 2)}:${pad(part(6n, 6n), 2)}:${pad(part(0n, 6n), 2)}${fractionText(micros)}`;
    }
    case 'TYPE_TIME': {
      const bits = BigInt(value.timeValue);
      const micros = Number((bits & ((1n << 30n) - 1n)) / 1000n);
      const part = (shift) => pad(Number((bits >> shift) & 63n), 2);
      return `${part(42n)}:${part(36n)}:${part(30n)}${fractionText(micros)}`;
    }
    case 'TYPE_STRUCT': {
      const values = value.structValue.field ?? [];
      return { f: type.structType.field.map((f, i) => ({ v: restValue(values[i], f.fieldType, int64Timestamps) })) };
    }
    default: throw new Error(`no text for ${kind}`);
  }
}

function floatText(n) {
  if (Number.isNaN(n)) return 'NaN';
  if (!Number.isFinite(n)) return n > 0 ? 'Infinity' : '-Infinity';
  if (Object.is(n, -0)) return '-0.0';
  return Number.isInteger(n) && Math.abs(n) < 1e21 ? `${n}.0` : String(n).replace('e+', 'E').replace('e-', 'E-');
}

const wrong = (field, what) => new Error(`Could not convert value to ${what}. Field: ${field.name}`);

/** A value of a line of a load job. */
export function loadedValue(json, field) {
  if (field.mode === 'REPEATED') {
    const items = json ?? [];
    if (!Array.isArray(items)) throw new Error(`Array specified for non-repeated field: ${field.name}.`);
    return filled('arrayValue', { element: items.map((item) => loadedValue(item, { ...field, mode: 'NULLABLE' })) });
  }
  if (json === null || json === undefined) {
    if (field.mode === 'REQUIRED') throw new Error(`Missing required field: ${field.name}.`);
    return {};
  }
  const text = typeof json === 'object' ? JSON.stringify(json) : String(json);
  switch (typeOf(field).typeKind) {
    case 'TYPE_BOOL':
      if (!/^(true|false)$/i.test(text)) throw wrong(field, 'boolean');
      return filled('boolValue', /^true$/i.test(text));
    case 'TYPE_INT64':
      if (!/^[+-]?\d+$/.test(text)) throw wrong(field, 'integer');
      return filled('int64Value', text);
    case 'TYPE_DOUBLE': {
      const n = { Infinity: Infinity, '-Infinity': -Infinity, NaN }[text] ?? Number(text);
      if (Number.isNaN(n) && text !== 'NaN') throw wrong(field, 'double');
      return filled('doubleValue', n);
    }
    case 'TYPE_STRING': return filled('stringValue', text);
    case 'TYPE_BYTES': return filled('bytesValue', Buffer.from(text, 'base64'));
    case 'TYPE_JSON': return filled('jsonValue', JSON.stringify(json));
    case 'TYPE_DATE': {
      const day = Date.parse(`${text}T00:00:00Z`);
      if (!/^\d{4}-\d\d-\d\d$/.test(text) || Number.isNaN(day)) throw wrong(field, 'date');
      return filled('dateValue', Math.round(day / 86400000));
    }
    case 'TYPE_TIMESTAMP': {
      const found = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(?: ?(?:Z|UTC|([+-]\d\d:\d\d)))?$/.exec(text);
      if (!found) throw wrong(field, 'timestamp');
      const seconds = Date.parse(`${found[1]}T${found[2]}${found[4] ?? 'Z'}`) / 1000;
      return filled('timestampValue', { seconds: String(seconds), nanos: Number((found[3] ?? '').padEnd(6, '0')) * 1000 });
    }
    case 'TYPE_NUMERIC': return filled('numericValue', decimalBytes(text, 9));
    case 'TYPE_BIGNUMERIC': return filled('bignumericValue', decimalBytes(text, 38));
    default: throw wrong(field, field.type);
  }
}

const filled = (name, content) => ({ [name]: content, value: name });
