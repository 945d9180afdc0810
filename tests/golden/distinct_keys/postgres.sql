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

-- sizes.demographics.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_demographics" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.demographics
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_demographics__new";
CREATE TABLE "springline"."entity_demographics__new" AS
SELECT
  "demographics"."household_id"
FROM "demographics" AS "demographics";
ANALYZE "springline"."entity_demographics__new";
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

-- sizes.household.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_household" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
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
ANALYZE "springline"."entity_household__new";
DROP TABLE IF EXISTS "springline"."entity_household";
ALTER TABLE "springline"."entity_household__new" RENAME TO "entity_household";
COMMIT;

-- moves.household
BEGIN;
DROP TABLE IF EXISTS "springline"."moves_household__new";
CREATE TABLE "springline"."moves_household__new" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(ARRAY[CASE WHEN "e"."affluent" THEN 'affluent' END]) AS "segment",
    CAST("e"."household_id" AS TEXT) AS "entity_id"
  FROM "springline"."entity_household" AS "e"
),
"current_members" AS (
  SELECT
    "s"."segment",
    "s"."entity_id"
  FROM "memberships" AS "s"
  WHERE "s"."segment" IS NOT NULL
),
"former_members" AS (
  SELECT
    "m"."segment",
    "m"."entity_id",
    "m"."entered_at",
    "m"."exited_at"
  FROM "springline"."membership_household" AS "m"
  WHERE "m"."exited_at" IS NULL
),
"changed" AS (
  SELECT
    COALESCE("f"."segment", "c"."segment") AS "segment",
    COALESCE("f"."entity_id", "c"."entity_id") AS "entity_id",
    "c"."entity_id" IS NOT NULL AS "is_member",
    "f"."entered_at",
    "f"."exited_at"
  FROM "former_members" AS "f"
  FULL JOIN "current_members" AS "c" ON "f"."segment" = "c"."segment" AND "f"."entity_id" = "c"."entity_id"
  WHERE "c"."entity_id" IS NULL OR "f"."entity_id" IS NULL
)
SELECT
  "v"."segment",
  "v"."entity_id",
  COALESCE("v"."entered_at", "p"."entered_at", TIMESTAMPTZ '2024-06-30 00:00:00+00') AS "entered_at",
  CASE WHEN NOT "v"."is_member" THEN TIMESTAMPTZ '2024-06-30 00:00:00+00' END AS "exited_at",
  COALESCE("v"."entered_at" = TIMESTAMPTZ '2024-06-30 00:00:00+00', FALSE) AS "removed"
FROM "changed" AS "v"
LEFT JOIN "springline"."membership_household" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = TIMESTAMPTZ '2024-06-30 00:00:00+00';
ANALYZE "springline"."moves_household__new";
DROP TABLE IF EXISTS "springline"."moves_household";
ALTER TABLE "springline"."moves_household__new" RENAME TO "moves_household";
COMMIT;

-- membership.household
MERGE INTO "springline"."membership_household" AS t
USING "springline"."moves_household" AS s
ON t."segment" = s."segment" AND t."entity_id" = s."entity_id" AND t."entered_at" = s."entered_at"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "exited_at" = s."exited_at"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "entity_id", "entered_at", "exited_at")
  VALUES (s."segment", s."entity_id", s."entered_at", s."exited_at");

-- new_sizes.household.drop
DROP TABLE IF EXISTS "springline"."new_sizes_household";

-- new_sizes.household.create
CREATE TABLE IF NOT EXISTS "springline"."new_sizes_household" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.household
MERGE INTO "springline"."sizes_household" AS t
USING "springline"."new_sizes_household" AS s
ON t."segment" = s."segment" AND t."as_of" = s."as_of"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "members" = s."members",
  "entered" = s."entered",
  "exited" = s."exited"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "as_of", "members", "entered", "exited")
  VALUES (s."segment", s."as_of", s."members", s."entered", s."exited");

-- new_sizes_household.drop
DROP TABLE IF EXISTS "springline"."new_sizes_household";

-- moves_household.drop
DROP TABLE IF EXISTS "springline"."moves_household";

