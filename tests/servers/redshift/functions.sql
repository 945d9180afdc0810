-- Redshift's functions, types and views with the meaning that its documentation gives them, so that a database of
-- Postgres runs what is printed for Redshift. They stand in `public`, before Postgres' own of the same name.
-- Loaded into each database of the tests. Constants with a backslash are written E'...': they mean the same with
-- standard_conforming_strings on and off, and Redshift has it off.
-- What it cannot show: which functions run on the leader node only, how many digits a computation keeps, the limits of
-- types, that the aggregates that sort must sort alike, names without their case. The deny list of the dialect and the
-- documentation answer for those.
DO $do$ BEGIN
  EXECUTE format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database());
  -- https://docs.aws.amazon.com/redshift/latest/dg/r_LIKE_condition.html: backslashes are written twice.
  EXECUTE format('ALTER DATABASE %I SET standard_conforming_strings = off', current_database());
  EXECUTE format('ALTER DATABASE %I SET escape_string_warning = off', current_database());
END $do$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_LOWER.html: of all letters, by Unicode; that a sigma at the end of a word
-- has a form of its own is not said there.
CREATE FUNCTION public.lower(source text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT pg_catalog.lower(source COLLATE "und-x-icu") COLLATE "C" $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_UPPER.html
CREATE FUNCTION public.upper(source text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT pg_catalog.upper(source COLLATE "und-x-icu") COLLATE "C" $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEADD_function.html
CREATE FUNCTION public.dateadd(part text, amount integer, at timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT at + CASE lower(part) WHEN 'quarter' THEN make_interval(months => 3 * amount)
    ELSE amount * CAST('1 ' || part AS interval) END
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_DATEDIFF_function.html: the bounds of units that are crossed.
CREATE FUNCTION public.datediff(part text, a timestamp, b timestamp) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT CASE
    WHEN part IN ('month', 'quarter', 'year') THEN
      (12 * CAST(date_part('year', date_trunc(part, b)) - date_part('year', date_trunc(part, a)) AS bigint)
        + CAST(date_part('month', date_trunc(part, b)) - date_part('month', date_trunc(part, a)) AS bigint))
      / CASE part WHEN 'month' THEN 1 WHEN 'quarter' THEN 3 ELSE 12 END
    ELSE CAST(extract(epoch FROM date_trunc(part, b) - date_trunc(part, a)) AS bigint)
      / CASE part WHEN 'second' THEN 1 WHEN 'minute' THEN 60 WHEN 'hour' THEN 3600 WHEN 'day' THEN 86400 ELSE 604800 END
  END
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/CONVERT_TIMEZONE.html
CREATE FUNCTION public.convert_timezone(source text, target text, at timestamp) RETURNS timestamp
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT at AT TIME ZONE source AT TIME ZONE target $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_GETDATE.html
CREATE FUNCTION public.getdate() RETURNS timestamp
LANGUAGE sql VOLATILE AS $f$ SELECT date_trunc('second', clock_timestamp() AT TIME ZONE 'UTC') $f$;

-- A pattern of Perl as Postgres reads it: `\z` is `\Z` there.
CREATE FUNCTION public.redshift_pattern(pattern text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT pg_catalog.regexp_replace(pattern, E'((?:^|[^\\\\])(?:\\\\\\\\)*)\\\\z', E'\\1\\\\Z', 'g')
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/REGEXP_INSTR.html
CREATE FUNCTION public.regexp_instr(
  source text, pattern text, start integer, occurrence integer, option integer, parameters text
) RETURNS integer
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT pg_catalog.regexp_instr(source, public.redshift_pattern(pattern), start, occurrence, option)
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/REGEXP_SUBSTR.html: the first group (`e`), else the empty text.
CREATE FUNCTION public.regexp_substr(source text, pattern text, start integer, occurrence integer, parameters text)
RETURNS text LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT coalesce((regexp_match(substr(source, start), public.redshift_pattern(pattern)))[1], '')
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/REGEXP_REPLACE.html: every match.
CREATE FUNCTION public.regexp_replace(source text, pattern text, by text, start integer, parameters text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT pg_catalog.regexp_replace(source, public.redshift_pattern(pattern), replace(by, E'\\', E'\\\\'), 'g')
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/SHA2.html
CREATE FUNCTION public.sha2(source text, bits integer) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT encode(sha256(convert_to(source, 'UTF8')), 'hex') $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_STRTOL.html, of hexadecimal digits.
CREATE FUNCTION public.strtol(digits text, base integer) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT CAST(CAST('x' || lpad(digits, 16, '0') AS bit(64)) AS bigint) $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SUPER_type.html, as the text of its JSON.
CREATE DOMAIN public.super AS text;

-- Without spaces, and numbers without zeros at their end.
CREATE FUNCTION public.redshift_json(value jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $f$
BEGIN
  RETURN CASE jsonb_typeof(value)
    WHEN 'number' THEN CAST(trim_scale(CAST(value AS numeric)) AS text)
    WHEN 'array' THEN '[' || coalesce((SELECT string_agg(public.redshift_json(item), ',' ORDER BY place)
      FROM jsonb_array_elements(value) WITH ORDINALITY AS t(item, place)), '') || ']'
    WHEN 'object' THEN '{' || coalesce((SELECT string_agg(CAST(to_json(key) AS text) || ':' || public.redshift_json(item), ',')
      FROM jsonb_each(value) AS t(key, item)), '') || '}'
    ELSE CAST(value AS text) END;
END $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/JSON_PARSE.html
CREATE FUNCTION public.json_parse(source text) RETURNS public.super
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT CAST(public.redshift_json(CAST(source AS jsonb)) AS public.super) $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/JSON_SERIALIZE.html
CREATE FUNCTION public.json_serialize(value public.super) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT CAST(value AS text) $f$;

CREATE FUNCTION public.redshift_json_type(source text) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT AS $f$
BEGIN
  RETURN jsonb_typeof(CAST(source AS jsonb));
EXCEPTION WHEN data_exception THEN RETURN NULL;
END $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/IS_VALID_JSON.html
CREATE FUNCTION public.is_valid_json(source text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT public.redshift_json_type(source) IS NOT NULL $f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/IS_VALID_JSON_ARRAY.html
CREATE FUNCTION public.is_valid_json_array(source text) RETURNS boolean
LANGUAGE sql IMMUTABLE STRICT AS $f$ SELECT coalesce(public.redshift_json_type(source) = 'array', false) $f$;

-- A value in JSON as text; null for null.
CREATE FUNCTION public.redshift_json_text(value jsonb) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT CASE jsonb_typeof(value) WHEN 'null' THEN NULL WHEN 'string' THEN value #>> '{}'
    ELSE public.redshift_json(value) END
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/JSON_EXTRACT_PATH_TEXT.html: by name alone.
CREATE FUNCTION public.json_extract_path_text(source text, step text, null_if_invalid boolean) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT CASE WHEN public.redshift_json_type(source) = 'object'
    THEN public.redshift_json_text(CAST(source AS jsonb) -> step) END
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/JSON_EXTRACT_ARRAY_ELEMENT_TEXT.html: counted from 0.
CREATE FUNCTION public.json_extract_array_element_text(source text, place integer, null_if_invalid boolean) RETURNS text
LANGUAGE sql IMMUTABLE STRICT AS $f$
  SELECT CASE WHEN public.redshift_json_type(source) = 'array' AND place >= 0
    THEN public.redshift_json_text(CAST(source AS jsonb) -> place) END
$f$;

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_ALL_COLUMNS.html
CREATE VIEW public.svv_all_columns AS
SELECT CAST(table_catalog AS text) AS database_name, CAST(table_schema AS text) AS schema_name,
  CAST(table_name AS text) AS table_name, CAST(column_name AS text) AS column_name, CAST(ordinal_position AS integer) AS ordinal_position,
  CAST(coalesce(domain_name, data_type) AS text) AS data_type, CAST(is_nullable AS text) AS is_nullable,
  CAST(numeric_precision AS integer) AS numeric_precision, CAST(numeric_scale AS integer) AS numeric_scale
FROM information_schema.columns
WHERE (table_schema, table_name) NOT IN (('public', 'svv_all_columns'), ('public', 'svv_table_info'));

-- https://docs.aws.amazon.com/redshift/latest/dg/r_SVV_TABLE_INFO.html: without the tables that are empty.
CREATE VIEW public.svv_table_info AS
SELECT CAST(n.nspname AS text) AS "schema", CAST(c.relname AS text) AS "table", CAST(c.reltuples AS numeric) AS tbl_rows
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND c.reltuples > 0 AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_';

-- https://docs.aws.amazon.com/redshift/latest/dg/PG_GET_LATE_BINDING_VIEW_COLS.html: Postgres has no such view.
CREATE FUNCTION public.pg_get_late_binding_view_cols() RETURNS SETOF record
LANGUAGE sql STABLE AS $f$
  SELECT CAST('' AS name), CAST('' AS name), CAST('' AS name), CAST('' AS varchar), 0 WHERE false
$f$;
GRANT SELECT ON public.svv_all_columns, public.svv_table_info TO PUBLIC;
