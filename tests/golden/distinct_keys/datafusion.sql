-- segment.affluent
WITH
-- springline.yaml:17
"line" AS (
  SELECT
    "line_rows"."household_id",
    AVG("line_rows"."sales_value") AS "line_avg_sales_value"
  FROM "transactions" AS "line_rows"
  WHERE "line_rows"."at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
    AND "line_rows"."household_id" IS NOT NULL
  GROUP BY "line_rows"."household_id"
)
SELECT
  "household"."household_id"
FROM "line" AS "household"
LEFT JOIN "demographics" AS "demographics" ON "household"."household_id" = "demographics"."household_id"
WHERE "demographics"."household_id" IS NOT NULL
  AND COALESCE("demographics"."income" IN ('100-124K', '125-149K'), FALSE)
  AND "household"."line_avg_sales_value" > CAST('3.5' AS DOUBLE);

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.demographics.create
CREATE TABLE IF NOT EXISTS "springline"."membership_demographics" (
  "segment" VARCHAR,
  "entity_id" VARCHAR,
  "entered_at" TIMESTAMP(6),
  "exited_at" TIMESTAMP(6)
);

-- sizes.demographics.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_demographics" (
  "segment" VARCHAR,
  "as_of" TIMESTAMP(6),
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.demographics
CREATE OR REPLACE TABLE "springline"."entity_demographics" AS
SELECT
  "demographics"."household_id"
FROM "demographics" AS "demographics";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.household.create
CREATE TABLE IF NOT EXISTS "springline"."membership_household" (
  "segment" VARCHAR,
  "entity_id" VARCHAR,
  "entered_at" TIMESTAMP(6),
  "exited_at" TIMESTAMP(6)
);

-- sizes.household.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_household" (
  "segment" VARCHAR,
  "as_of" TIMESTAMP(6),
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.household
CREATE OR REPLACE TABLE "springline"."entity_household" AS
WITH
-- springline.yaml:17
"line" AS (
  SELECT
    "line_rows"."household_id",
    AVG("line_rows"."sales_value") AS "line_avg_sales_value"
  FROM "transactions" AS "line_rows"
  WHERE "line_rows"."at" < CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))
    AND "line_rows"."household_id" IS NOT NULL
  GROUP BY "line_rows"."household_id"
),
-- springline.yaml:12
"household" AS (
  SELECT
    "household_base"."household_id",
    COALESCE("demographics"."household_id" IS NOT NULL AND COALESCE("demographics"."income" IN ('100-124K', '125-149K'), FALSE) AND "household_base"."line_avg_sales_value" > CAST('3.5' AS DOUBLE), FALSE) AS "affluent"
  FROM "line" AS "household_base"
  LEFT JOIN "demographics" AS "demographics" ON "household_base"."household_id" = "demographics"."household_id"
)
SELECT
  "household"."household_id",
  "household"."affluent"
FROM "household";

-- moves.household
CREATE OR REPLACE TABLE "springline"."moves_household" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(MAKE_ARRAY(CASE WHEN "e"."affluent" THEN 'affluent' END)) AS "segment",
    CAST("e"."household_id" AS VARCHAR) AS "entity_id"
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
  COALESCE("v"."entered_at", "p"."entered_at", CAST('2024-06-30 00:00:00' AS TIMESTAMP(6))) AS "entered_at",
  CASE WHEN NOT "v"."is_member" THEN CAST('2024-06-30 00:00:00' AS TIMESTAMP(6)) END AS "exited_at",
  COALESCE("v"."entered_at" = CAST('2024-06-30 00:00:00' AS TIMESTAMP(6)), FALSE) AS "removed"
FROM "changed" AS "v"
LEFT JOIN "springline"."membership_household" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = CAST('2024-06-30 00:00:00' AS TIMESTAMP(6));

-- membership.household
CREATE OR REPLACE TABLE "springline"."membership_household" AS
SELECT
  "t"."segment",
  "t"."entity_id",
  "t"."entered_at",
  "t"."exited_at"
FROM "springline"."membership_household" AS "t"
LEFT JOIN "springline"."moves_household" AS "s" ON "t"."segment" = "s"."segment" AND "t"."entity_id" = "s"."entity_id" AND "t"."entered_at" = "s"."entered_at"
WHERE "s"."removed" IS NULL
UNION ALL
SELECT
  "s"."segment",
  "s"."entity_id",
  "s"."entered_at",
  "s"."exited_at"
FROM "springline"."moves_household" AS "s"
WHERE NOT "s"."removed";

-- new_sizes.household.drop
DROP TABLE IF EXISTS "springline"."new_sizes_household";

-- new_sizes.household.create
CREATE TABLE IF NOT EXISTS "springline"."new_sizes_household" (
  "segment" VARCHAR,
  "as_of" TIMESTAMP(6),
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.household
CREATE OR REPLACE TABLE "springline"."sizes_household" AS
SELECT
  "t"."segment",
  "t"."as_of",
  "t"."members",
  "t"."entered",
  "t"."exited"
FROM "springline"."sizes_household" AS "t"
LEFT JOIN "springline"."new_sizes_household" AS "s" ON "t"."segment" = "s"."segment" AND "t"."as_of" = "s"."as_of"
WHERE "s"."removed" IS NULL
UNION ALL
SELECT
  "s"."segment",
  "s"."as_of",
  "s"."members",
  "s"."entered",
  "s"."exited"
FROM "springline"."new_sizes_household" AS "s"
WHERE NOT "s"."removed";

-- new_sizes_household.drop
DROP TABLE IF EXISTS "springline"."new_sizes_household";

-- moves_household.drop
DROP TABLE IF EXISTS "springline"."moves_household";

