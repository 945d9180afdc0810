-- segment.french_families
WITH
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) AS "members_count"
  FROM "customers" AS "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_base"."id",
    "household_base"."country",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  LEFT JOIN "members" ON "household_base"."id" = "members"."household_id"
)
SELECT
  "customer"."id"
FROM "customers" AS "customer"
LEFT JOIN "household" ON "customer"."household_id" = "household"."id"
WHERE "household"."size" >= 3
  AND "household"."country" = 'FR';

-- segment.big_grocery_households
WITH
-- springline.yaml:24
"line" AS (
  SELECT
    "line_rows"."customer",
    CAST(SUM(CAST("line_rows"."price" AS NUMERIC(12, 2))) AS NUMERIC(38, 2)) AS "line_sum"
  FROM "lines" AS "line_rows"
  LEFT JOIN "products" AS "product" ON "line_rows"."product_id" = "product"."product_id"
  WHERE "line_rows"."bought_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "product"."department" = 'GROCERY'
  GROUP BY "line_rows"."customer"
),
-- springline.yaml:19
"members_rows" AS (
  SELECT
    "members_rows_base"."id",
    "members_rows_base"."household_id",
    COALESCE("line"."line_sum", 0.00) AS "grocery_value"
  FROM "customers" AS "members_rows_base"
  LEFT JOIN "line" ON "members_rows_base"."id" = "line"."customer"
),
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) FILTER (WHERE "members_rows"."grocery_value" > 100.00) > 0 AS "members_exists",
    COUNT(*) AS "members_count"
  FROM "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_base"."id",
    COALESCE("members"."members_exists", FALSE) AS "members_exists",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  INNER JOIN "members" ON "household_base"."id" = "members"."household_id"
)
SELECT
  "household"."id"
FROM "household"
WHERE "household"."size" >= 2
  AND "household"."members_exists";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.product.create
CREATE TABLE IF NOT EXISTS "springline"."membership_product" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- entity.product
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_product__new";
CREATE TABLE "springline"."entity_product__new" AS
SELECT
  "product"."product_id"
FROM "products" AS "product";
DROP TABLE IF EXISTS "springline"."entity_product";
ALTER TABLE "springline"."entity_product__new" RENAME TO "entity_product";
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
-- springline.yaml:24
"line" AS (
  SELECT
    "line_rows"."customer",
    CAST(SUM(CAST("line_rows"."price" AS NUMERIC(12, 2))) AS NUMERIC(38, 2)) AS "line_sum"
  FROM "lines" AS "line_rows"
  LEFT JOIN "products" AS "product" ON "line_rows"."product_id" = "product"."product_id"
  WHERE "line_rows"."bought_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "product"."department" = 'GROCERY'
  GROUP BY "line_rows"."customer"
),
-- springline.yaml:19
"members_rows" AS (
  SELECT
    "members_rows_base"."id",
    "members_rows_base"."household_id",
    COALESCE("line"."line_sum", 0.00) AS "grocery_value"
  FROM "customers" AS "members_rows_base"
  LEFT JOIN "line" ON "members_rows_base"."id" = "line"."customer"
),
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) AS "members_count",
    COUNT(*) FILTER (WHERE "members_rows"."grocery_value" > 100.00) > 0 AS "members_exists"
  FROM "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household_1" AS (
  SELECT
    "household_base"."id",
    COALESCE("members"."members_exists", FALSE) AS "members_exists",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  LEFT JOIN "members" ON "household_base"."id" = "members"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_1"."id",
    "household_1"."size",
    COALESCE("household_1"."size" >= 2 AND "household_1"."members_exists", FALSE) AS "big_grocery_households"
  FROM "household_1"
)
SELECT
  "household"."id",
  "household"."size",
  "household"."big_grocery_households"
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
    'big_grocery_households' AS "segment",
    CAST("e"."id" AS TEXT) AS "entity_id"
  FROM "springline"."entity_household" AS "e"
  WHERE "e"."big_grocery_households"
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

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.customer.create
CREATE TABLE IF NOT EXISTS "springline"."membership_customer" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- entity.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_customer__new";
CREATE TABLE "springline"."entity_customer__new" AS
WITH
-- springline.yaml:24
"line" AS (
  SELECT
    "line_rows"."customer",
    CAST(SUM(CAST("line_rows"."price" AS NUMERIC(12, 2))) FILTER (WHERE "product"."department" = 'GROCERY') AS NUMERIC(38, 2)) AS "line_sum",
    MODE() WITHIN GROUP (ORDER BY "product"."department" COLLATE "C") FILTER (WHERE "line_rows"."bought_at" >= TIMESTAMPTZ '2023-12-30 00:00:00+00') AS "line_most_frequent_6m"
  FROM "lines" AS "line_rows"
  LEFT JOIN "products" AS "product" ON "line_rows"."product_id" = "product"."product_id"
  WHERE "line_rows"."bought_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "line_rows"."customer"
),
-- springline.yaml:17
"members" AS (
  SELECT
    "members_rows"."household_id",
    COUNT(*) AS "members_count"
  FROM "customers" AS "members_rows"
  GROUP BY "members_rows"."household_id"
),
-- springline.yaml:14
"household" AS (
  SELECT
    "household_base"."id",
    "household_base"."country",
    COALESCE("members"."members_count", 0) AS "size"
  FROM "households" AS "household_base"
  LEFT JOIN "members" ON "household_base"."id" = "members"."household_id"
),
-- springline.yaml:19
"customer" AS (
  SELECT
    "customer_base"."id",
    COALESCE("line"."line_sum", 0.00) AS "grocery_value",
    "line"."line_most_frequent_6m" AS "favourite_department",
    COALESCE("household"."size" >= 3 AND "household"."country" = 'FR', FALSE) AS "french_families"
  FROM "customers" AS "customer_base"
  LEFT JOIN "household" ON "customer_base"."household_id" = "household"."id"
  LEFT JOIN "line" ON "customer_base"."id" = "line"."customer"
)
SELECT
  "customer"."id",
  "customer"."grocery_value",
  "customer"."favourite_department",
  "customer"."french_families"
FROM "customer";
DROP TABLE IF EXISTS "springline"."entity_customer";
ALTER TABLE "springline"."entity_customer__new" RENAME TO "entity_customer";
COMMIT;

-- membership.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."membership_customer__new";
CREATE TABLE "springline"."membership_customer__new" AS
WITH
"current_members" AS (
  SELECT
    'french_families' AS "segment",
    CAST("e"."id" AS TEXT) AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
  WHERE "e"."french_families"
),
"open_intervals" AS (
  SELECT
    "m"."segment",
    "m"."entity_id",
    "m"."entered_at",
    "m"."exited_at"
  FROM "springline"."membership_customer" AS "m"
  WHERE "m"."exited_at" IS NULL
)
SELECT
  "m"."segment",
  "m"."entity_id",
  "m"."entered_at",
  "m"."exited_at"
FROM "springline"."membership_customer" AS "m"
WHERE "m"."exited_at" IS NOT NULL
UNION ALL
SELECT
  COALESCE("o"."segment", "c"."segment") AS "segment",
  COALESCE("o"."entity_id", "c"."entity_id") AS "entity_id",
  COALESCE("o"."entered_at", TIMESTAMPTZ '2024-06-30 00:00:00+00') AS "entered_at",
  CASE WHEN "c"."entity_id" IS NULL THEN TIMESTAMPTZ '2024-06-30 00:00:00+00' END AS "exited_at"
FROM "open_intervals" AS "o"
FULL JOIN "current_members" AS "c" ON "o"."segment" = "c"."segment" AND "o"."entity_id" = "c"."entity_id";
DROP TABLE IF EXISTS "springline"."membership_customer";
ALTER TABLE "springline"."membership_customer__new" RENAME TO "membership_customer";
COMMIT;

