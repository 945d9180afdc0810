-- segment.affluent
WITH
-- springline.yaml:17
"line" AS (
  SELECT
    "line_rows"."household_id",
    CAST(AVG("line_rows"."sales_value") AS DOUBLE PRECISION) AS "line_avg_sales_value"
  FROM "transactions" AS "line_rows"
  WHERE "line_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "line_rows"."household_id" IS NOT NULL
  GROUP BY "line_rows"."household_id"
)
SELECT
  "household"."household_id"
FROM "line" AS "household"
LEFT JOIN "demographics" AS "demographics" ON "household"."household_id" = "demographics"."household_id"
WHERE "demographics"."household_id" IS NOT NULL
  AND COALESCE("demographics"."income" IN ('100-124K', '125-149K'), FALSE)
  AND "household"."line_avg_sales_value" > CAST('3.5' AS DOUBLE PRECISION);

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.demographics.create
CREATE TABLE IF NOT EXISTS "springline"."membership_demographics" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- entity.demographics
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_demographics__new";
CREATE TABLE "springline"."entity_demographics__new" AS
SELECT
  "demographics"."household_id"
FROM "demographics" AS "demographics";
DROP TABLE IF EXISTS "springline"."entity_demographics";
ALTER TABLE "springline"."entity_demographics__new" RENAME TO "entity_demographics";
COMMIT;

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.household.create
CREATE TABLE IF NOT EXISTS "springline"."membership_household" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- entity.household
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_household__new";
CREATE TABLE "springline"."entity_household__new" AS
WITH
-- springline.yaml:17
"line" AS (
  SELECT
    "line_rows"."household_id",
    CAST(AVG("line_rows"."sales_value") AS DOUBLE PRECISION) AS "line_avg_sales_value"
  FROM "transactions" AS "line_rows"
  WHERE "line_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "line_rows"."household_id" IS NOT NULL
  GROUP BY "line_rows"."household_id"
),
-- springline.yaml:12
"household" AS (
  SELECT
    "household_base"."household_id",
    COALESCE("demographics"."household_id" IS NOT NULL AND COALESCE("demographics"."income" IN ('100-124K', '125-149K'), FALSE) AND "household_base"."line_avg_sales_value" > CAST('3.5' AS DOUBLE PRECISION), FALSE) AS "affluent"
  FROM "line" AS "household_base"
  LEFT JOIN "demographics" AS "demographics" ON "household_base"."household_id" = "demographics"."household_id"
)
SELECT
  "household"."household_id",
  "household"."affluent"
FROM "household";
DROP TABLE IF EXISTS "springline"."entity_household";
ALTER TABLE "springline"."entity_household__new" RENAME TO "entity_household";
COMMIT;

-- membership.household
BEGIN;
DROP TABLE IF EXISTS "springline"."membership_household__new";
CREATE TABLE "springline"."membership_household__new" AS
WITH
"current_members" AS (
  SELECT
    'affluent' AS "segment",
    CAST("e"."household_id" AS TEXT) AS "entity_id"
  FROM "springline"."entity_household" AS "e"
  WHERE "e"."affluent"
),
"open_intervals" AS (
  SELECT
    "m"."segment",
    "m"."entity_id",
    "m"."entered_at",
    "m"."exited_at"
  FROM "springline"."membership_household" AS "m"
  WHERE "m"."exited_at" IS NULL
)
SELECT
  "m"."segment",
  "m"."entity_id",
  "m"."entered_at",
  "m"."exited_at"
FROM "springline"."membership_household" AS "m"
WHERE "m"."exited_at" IS NOT NULL
UNION ALL
SELECT
  COALESCE("o"."segment", "c"."segment") AS "segment",
  COALESCE("o"."entity_id", "c"."entity_id") AS "entity_id",
  COALESCE("o"."entered_at", TIMESTAMPTZ '2024-06-30 00:00:00+00') AS "entered_at",
  CASE WHEN "c"."entity_id" IS NULL THEN TIMESTAMPTZ '2024-06-30 00:00:00+00' END AS "exited_at"
FROM "open_intervals" AS "o"
FULL JOIN "current_members" AS "c" ON "o"."segment" = "c"."segment" AND "o"."entity_id" = "c"."entity_id";
DROP TABLE IF EXISTS "springline"."membership_household";
ALTER TABLE "springline"."membership_household__new" RENAME TO "membership_household";
COMMIT;

