-- segment.buyers
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) > 0 AS "purchase_exists"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
)
SELECT
  "customer"."id"
FROM "customers" AS "customer"
INNER JOIN "purchase" ON "customer"."id" = "purchase"."customer_id"
WHERE COALESCE("purchase"."purchase_exists", FALSE);

-- segment.best
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) FILTER (WHERE "purchase_rows"."at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "purchase_exists_30d",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
"customer_terms" AS (
  SELECT
    "customer_1"."id" AS "value_1",
    "customer_1"."purchase_exists_30d" AS "value_2",
    "customer_1"."value" AS "value_3",
    COALESCE("customer_1"."purchase_exists_30d", FALSE) AS "value_4"
  FROM "customer_1"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_terms"."value_1" AS "id",
    "customer_terms"."value_2" AS "purchase_exists_30d",
    "customer_terms"."value_3" AS "value",
    COALESCE("customer_terms"."value_2" AND ROW_NUMBER() OVER (PARTITION BY "customer_terms"."value_4" ORDER BY "customer_terms"."value_3" DESC NULLS LAST, "customer_terms"."value_1" NULLS LAST) <= 100, FALSE) AS "best"
  FROM "customer_terms"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."best";

-- segment.tenth
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    COUNT(*) FILTER (WHERE "purchase_rows"."at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "purchase_exists_30d"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
"customer_terms" AS (
  SELECT
    "customer_1"."id" AS "value_1",
    "customer_1"."purchase_exists_30d" AS "value_2",
    COALESCE("customer_1"."purchase_exists_30d", FALSE) AS "value_3",
    "customer_1"."value" AS "value_4"
  FROM "customer_1"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_terms"."value_1" AS "id",
    COALESCE("customer_terms"."value_2" AND ROW_NUMBER() OVER (PARTITION BY "customer_terms"."value_3" ORDER BY "customer_terms"."value_4" DESC NULLS LAST, "customer_terms"."value_1" NULLS LAST) <= 100, FALSE) AS "best"
  FROM "customer_terms"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."best"
  AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) >= 1000
  AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) < 2000;

-- segment.halves
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) > 0 AS "purchase_exists"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_base"."id",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers"
  FROM "customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."buyers";

-- segment.halves_a
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) > 0 AS "purchase_exists"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers"
  FROM "customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_1"."id",
    COALESCE("customer_1"."buyers", FALSE) AS "halves"
  FROM "customer_1"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."halves"
  AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) < 5000;

-- segment.halves_b
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) > 0 AS "purchase_exists"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers"
  FROM "customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_1"."id",
    COALESCE("customer_1"."buyers", FALSE) AS "halves"
  FROM "customer_1"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."halves"
  AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) >= 5000;

-- segment.champions
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count",
    MAX("purchase_rows"."at") AS "purchase_max_at"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_count", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline.yaml:8
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_2"."id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'champions';

-- segment.stage_best
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    MAX("purchase_rows"."at") IS NOT NULL AS "purchase_exists",
    COALESCE(MAX("purchase_rows"."at") >= TIMESTAMPTZ '2024-05-31 00:00:00+00', FALSE) AS "purchase_exists_30d"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."id" AS "value_1",
    "customer_1"."buyers" AS "value_2",
    "customer_1"."purchase_exists_30d" AS "value_3",
    COALESCE("customer_1"."purchase_exists_30d", FALSE) AS "value_4",
    "customer_1"."value" AS "value_5"
  FROM "customer_1"
),
-- springline.yaml:8
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "id",
    "customer_2_terms"."value_2" AS "buyers",
    COALESCE("customer_2_terms"."value_3" AND ROW_NUMBER() OVER (PARTITION BY "customer_2_terms"."value_4" ORDER BY "customer_2_terms"."value_5" DESC NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) <= 100, FALSE) AS "best"
  FROM "customer_2_terms"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_2"."id",
    CASE WHEN "customer_2"."best" THEN 'best' WHEN "customer_2"."buyers" THEN 'buyers' END AS "stage"
  FROM "customer_2"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."stage" = 'best';

-- segment.stage_buyers
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    MAX("purchase_rows"."at") IS NOT NULL AS "purchase_exists",
    COALESCE(MAX("purchase_rows"."at") >= TIMESTAMPTZ '2024-05-31 00:00:00+00', FALSE) AS "purchase_exists_30d"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."id" AS "value_1",
    "customer_1"."buyers" AS "value_2",
    "customer_1"."purchase_exists_30d" AS "value_3",
    COALESCE("customer_1"."purchase_exists_30d", FALSE) AS "value_4",
    "customer_1"."value" AS "value_5"
  FROM "customer_1"
),
-- springline.yaml:8
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "id",
    "customer_2_terms"."value_2" AS "buyers",
    COALESCE("customer_2_terms"."value_3" AND ROW_NUMBER() OVER (PARTITION BY "customer_2_terms"."value_4" ORDER BY "customer_2_terms"."value_5" DESC NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) <= 100, FALSE) AS "best"
  FROM "customer_2_terms"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_2"."id",
    CASE WHEN "customer_2"."best" THEN 'best' WHEN "customer_2"."buyers" THEN 'buyers' END AS "stage"
  FROM "customer_2"
)
SELECT
  "customer"."id"
FROM "customer"
WHERE "customer"."stage" = 'buyers';

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- membership.customer.create
CREATE TABLE IF NOT EXISTS "springline"."membership_customer" (
  "segment" TEXT,
  "entity_id" TEXT,
  "entered_at" TIMESTAMPTZ,
  "exited_at" TIMESTAMPTZ
);

-- sizes.customer.create
CREATE TABLE IF NOT EXISTS "springline"."sizes_customer" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT
);

-- entity.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."entity_customer__new";
CREATE TABLE "springline"."entity_customer__new" AS
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    MAX("purchase_rows"."at") AS "purchase_max_at",
    COUNT(*) AS "purchase_count",
    MAX("purchase_rows"."at") IS NOT NULL AS "purchase_exists",
    COALESCE(MAX("purchase_rows"."at") >= TIMESTAMPTZ '2024-05-31 00:00:00+00', FALSE) AS "purchase_exists_30d"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency",
    COALESCE("purchase"."purchase_count", 0) AS "rfm_frequency",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "rfm_monetary",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."id" AS "value_1",
    "customer_1"."value" AS "value_2",
    "customer_1"."rfm_recency" AS "value_3",
    "customer_1"."rfm_frequency" AS "value_4",
    "customer_1"."rfm_monetary" AS "value_5",
    "customer_1"."buyers" AS "value_6",
    "customer_1"."rfm_frequency" > 0 AS "value_7",
    "customer_1"."purchase_exists_30d" AS "value_8",
    COALESCE("customer_1"."purchase_exists_30d", FALSE) AS "value_9",
    COALESCE("customer_1"."buyers", FALSE) AS "value_10"
  FROM "customer_1"
),
-- springline.yaml:8
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "id",
    "customer_2_terms"."value_2" AS "value",
    "customer_2_terms"."value_3" AS "rfm_recency",
    "customer_2_terms"."value_4" AS "rfm_frequency",
    "customer_2_terms"."value_5" AS "rfm_monetary",
    "customer_2_terms"."value_6" AS "buyers",
    CASE WHEN "customer_2_terms"."value_7" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_7" ORDER BY "customer_2_terms"."value_3" DESC NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_7" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_7" ORDER BY "customer_2_terms"."value_4" NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) AS BIGINT) END AS "rfm_f",
    CASE WHEN "customer_2_terms"."value_7" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_7" ORDER BY "customer_2_terms"."value_5" NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) AS BIGINT) END AS "rfm_m",
    COALESCE("customer_2_terms"."value_8" AND ROW_NUMBER() OVER (PARTITION BY "customer_2_terms"."value_9" ORDER BY "customer_2_terms"."value_2" DESC NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) <= 100, FALSE) AS "best",
    "customer_2_terms"."value_10" AS "halves"
  FROM "customer_2_terms"
),
-- springline.yaml:8
"customer_3" AS (
  SELECT
    "customer_2"."id",
    "customer_2"."value",
    "customer_2"."rfm_recency",
    "customer_2"."rfm_frequency",
    "customer_2"."rfm_monetary",
    "customer_2"."buyers",
    "customer_2"."rfm_r",
    "customer_2"."rfm_f",
    "customer_2"."rfm_m",
    "customer_2"."best",
    "customer_2"."halves",
    CAST("customer_2"."rfm_r" AS TEXT) || CAST("customer_2"."rfm_f" AS TEXT) || CAST("customer_2"."rfm_m" AS TEXT) AS "rfm_score",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' END AS "rfm_segment",
    CASE WHEN "customer_2"."best" THEN 'best' WHEN "customer_2"."buyers" THEN 'buyers' END AS "stage",
    COALESCE("customer_2"."best" AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer_2"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) >= 1000 AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer_2"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) < 2000, FALSE) AS "tenth",
    COALESCE("customer_2"."halves" AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer_2"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) < 5000, FALSE) AS "halves_a",
    COALESCE("customer_2"."halves" AND CAST(CAST('x' || SUBSTR(MD5('s:' || CAST("customer_2"."id" AS TEXT)), 1, 8) AS BIT(32)) AS BIGINT) % NULLIF(10000, 0) >= 5000, FALSE) AS "halves_b"
  FROM "customer_2"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_3"."id",
    "customer_3"."value",
    "customer_3"."rfm_recency",
    "customer_3"."rfm_frequency",
    "customer_3"."rfm_monetary",
    "customer_3"."buyers",
    "customer_3"."rfm_r",
    "customer_3"."rfm_f",
    "customer_3"."rfm_m",
    "customer_3"."best",
    "customer_3"."halves",
    "customer_3"."rfm_score",
    "customer_3"."rfm_segment",
    "customer_3"."stage",
    "customer_3"."tenth",
    "customer_3"."halves_a",
    "customer_3"."halves_b",
    COALESCE("customer_3"."rfm_segment" = 'champions', FALSE) AS "champions",
    COALESCE("customer_3"."stage" = 'best', FALSE) AS "stage_best",
    COALESCE("customer_3"."stage" = 'buyers', FALSE) AS "stage_buyers"
  FROM "customer_3"
)
SELECT
  "customer"."id",
  "customer"."value",
  "customer"."rfm_recency",
  "customer"."rfm_frequency",
  "customer"."rfm_monetary",
  "customer"."rfm_r",
  "customer"."rfm_f",
  "customer"."rfm_m",
  "customer"."rfm_score",
  "customer"."rfm_segment",
  "customer"."stage",
  "customer"."buyers",
  "customer"."best",
  "customer"."tenth",
  "customer"."halves",
  "customer"."halves_a",
  "customer"."halves_b",
  "customer"."champions",
  "customer"."stage_best",
  "customer"."stage_buyers"
FROM "customer";
ANALYZE "springline"."entity_customer__new";
DROP TABLE IF EXISTS "springline"."entity_customer";
ALTER TABLE "springline"."entity_customer__new" RENAME TO "entity_customer";
COMMIT;

-- moves.customer
BEGIN;
DROP TABLE IF EXISTS "springline"."moves_customer__new";
CREATE TABLE "springline"."moves_customer__new" AS
WITH
"memberships" AS (
  SELECT
    UNNEST(ARRAY[CASE WHEN "e"."buyers" THEN 'buyers' END, CASE WHEN "e"."best" THEN 'best' END, CASE WHEN "e"."tenth" THEN 'tenth' END, CASE WHEN "e"."halves" THEN 'halves' END, CASE WHEN "e"."halves_a" THEN 'halves_a' END, CASE WHEN "e"."halves_b" THEN 'halves_b' END, CASE WHEN "e"."champions" THEN 'champions' END, CASE WHEN "e"."stage_best" THEN 'stage_best' END, CASE WHEN "e"."stage_buyers" THEN 'stage_buyers' END]) AS "segment",
    CAST("e"."id" AS TEXT) AS "entity_id"
  FROM "springline"."entity_customer" AS "e"
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
  FROM "springline"."membership_customer" AS "m"
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
LEFT JOIN "springline"."membership_customer" AS "p" ON "v"."segment" = "p"."segment" AND "v"."entity_id" = "p"."entity_id" AND "p"."exited_at" = TIMESTAMPTZ '2024-06-30 00:00:00+00';
ANALYZE "springline"."moves_customer__new";
DROP TABLE IF EXISTS "springline"."moves_customer";
ALTER TABLE "springline"."moves_customer__new" RENAME TO "moves_customer";
COMMIT;

-- membership.customer
MERGE INTO "springline"."membership_customer" AS t
USING "springline"."moves_customer" AS s
ON t."segment" = s."segment" AND t."entity_id" = s."entity_id" AND t."entered_at" = s."entered_at"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "exited_at" = s."exited_at"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "entity_id", "entered_at", "exited_at")
  VALUES (s."segment", s."entity_id", s."entered_at", s."exited_at");

-- new_sizes.customer.drop
DROP TABLE IF EXISTS "springline"."new_sizes_customer";

-- new_sizes.customer.create
CREATE TABLE IF NOT EXISTS "springline"."new_sizes_customer" (
  "segment" TEXT,
  "as_of" TIMESTAMPTZ,
  "members" BIGINT,
  "entered" BIGINT,
  "exited" BIGINT,
  "removed" BOOLEAN
);

-- sizes.customer
MERGE INTO "springline"."sizes_customer" AS t
USING "springline"."new_sizes_customer" AS s
ON t."segment" = s."segment" AND t."as_of" = s."as_of"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "members" = s."members",
  "entered" = s."entered",
  "exited" = s."exited"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("segment", "as_of", "members", "entered", "exited")
  VALUES (s."segment", s."as_of", s."members", s."entered", s."exited");

-- new_sizes_customer.drop
DROP TABLE IF EXISTS "springline"."new_sizes_customer";

-- moves_customer.drop
DROP TABLE IF EXISTS "springline"."moves_customer";

-- state.schema
CREATE SCHEMA IF NOT EXISTS "springline";

-- state.state_versions
CREATE TABLE IF NOT EXISTS "springline"."state_versions" (
  "name" TEXT,
  "version" BIGINT,
  "since" TIMESTAMPTZ
);

-- state.runs
CREATE TABLE IF NOT EXISTS "springline"."runs" (
  "run_id" TEXT,
  "sync" TEXT,
  "as_of" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ,
  "ended_at" TIMESTAMPTZ,
  "outcome" TEXT,
  "error" TEXT,
  "added" BIGINT,
  "changed" BIGINT,
  "removed" BIGINT,
  "unchanged" BIGINT,
  "delivered" BIGINT,
  "rejected" BIGINT,
  "unknown" BIGINT,
  "unsent" BIGINT,
  "held" BIGINT,
  "skipped" BIGINT,
  "repeated" BIGINT,
  "requests" BIGINT,
  "desired" BIGINT,
  "definition_hash" TEXT
);

-- state.run_steps
CREATE TABLE IF NOT EXISTS "springline"."run_steps" (
  "run_id" TEXT,
  "sync" TEXT,
  "step" TEXT,
  "started_at" TIMESTAMPTZ,
  "ended_at" TIMESTAMPTZ,
  "rows" BIGINT,
  "error" TEXT
);

-- state.deliveries
CREATE TABLE IF NOT EXISTS "springline"."deliveries" (
  "run_id" TEXT,
  "sync" TEXT,
  "destination" TEXT,
  "_key" TEXT,
  "operation" TEXT,
  "outcome" TEXT,
  "_hash" TEXT,
  "sent_at" TIMESTAMPTZ
);

-- state.resources
CREATE TABLE IF NOT EXISTS "springline"."resources" (
  "sync" TEXT,
  "destination" TEXT,
  "name" TEXT,
  "value" TEXT,
  "since" TIMESTAMPTZ
);

-- state.ledger_best_out
CREATE TABLE IF NOT EXISTS "springline"."ledger_best_out" (
  "_key" TEXT,
  "_hash" TEXT,
  "run_id" TEXT,
  "sent_at" TIMESTAMPTZ,
  "receipt" TEXT,
  "in_doubt" TEXT,
  "in_doubt_request" TEXT
);

-- state.rejected_best_out
CREATE TABLE IF NOT EXISTS "springline"."rejected_best_out" (
  "_key" TEXT,
  "_hash" TEXT,
  "operation" TEXT,
  "code" TEXT,
  "message" TEXT,
  "retryable" BOOLEAN,
  "run_id" TEXT,
  "first_seen_at" TIMESTAMPTZ,
  "last_seen_at" TIMESTAMPTZ,
  "attempts" BIGINT
);

-- state.lease_best_out
CREATE TABLE IF NOT EXISTS "springline"."lease_best_out" (
  "holder" TEXT,
  "expires_at" TIMESTAMPTZ
);

-- sync.best_out.desired
BEGIN;
DROP TABLE IF EXISTS "springline"."desired_best_out__new";
CREATE TABLE "springline"."desired_best_out__new" AS
WITH
-- springline.yaml:11
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    MAX("purchase_rows"."at") IS NOT NULL AS "purchase_exists",
    COALESCE(MAX("purchase_rows"."at") >= TIMESTAMPTZ '2024-05-31 00:00:00+00', FALSE) AS "purchase_exists_30d"
  FROM "orders" AS "purchase_rows"
  WHERE "purchase_rows"."at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline.yaml:8
"customer_1" AS (
  SELECT
    "customer_base"."id",
    "customer_base"."city",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "value",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers"
  FROM "customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."id" AS "value_1",
    "customer_1"."city" AS "value_2",
    "customer_1"."buyers" AS "value_3",
    "customer_1"."purchase_exists_30d" AS "value_4",
    COALESCE("customer_1"."purchase_exists_30d", FALSE) AS "value_5",
    "customer_1"."value" AS "value_6"
  FROM "customer_1"
),
-- springline.yaml:8
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "id",
    "customer_2_terms"."value_2" AS "city",
    "customer_2_terms"."value_3" AS "buyers",
    COALESCE("customer_2_terms"."value_4" AND ROW_NUMBER() OVER (PARTITION BY "customer_2_terms"."value_5" ORDER BY "customer_2_terms"."value_6" DESC NULLS LAST, "customer_2_terms"."value_1" NULLS LAST) <= 100, FALSE) AS "best"
  FROM "customer_2_terms"
),
-- springline.yaml:8
"customer" AS (
  SELECT
    "customer_2"."id",
    "customer_2"."city",
    "customer_2"."best",
    CASE WHEN "customer_2"."best" THEN 'best' WHEN "customer_2"."buyers" THEN 'buyers' END AS "stage"
  FROM "customer_2"
),
-- springline.yaml:25
"mapped" AS (
  SELECT
    CAST("customer"."id" AS TEXT) AS "_key",
    "customer"."city",
    "customer"."stage"
  FROM "customer"
  WHERE "customer"."best"
)
SELECT
  "mapped"."_key",
  "mapped"."city",
  "mapped"."stage",
  ENCODE(SHA256(CONVERT_TO('out/id;' || ('4=city:string;' || COALESCE(CAST(CAST(CHAR_LENGTH("mapped"."city") AS BIGINT) AS TEXT) || ':' || "mapped"."city", '-')) || ('5=stage:string;' || COALESCE(CAST(CAST(CHAR_LENGTH("mapped"."stage") AS BIGINT) AS TEXT) || ':' || "mapped"."stage", '-')), 'UTF8')), 'hex') AS "_hash"
FROM "mapped";
ANALYZE "springline"."desired_best_out__new";
DROP TABLE IF EXISTS "springline"."desired_best_out";
ALTER TABLE "springline"."desired_best_out__new" RENAME TO "desired_best_out";
COMMIT;

-- sync.best_out.duplicates
SELECT
  "d"."_key",
  COUNT(*) AS "rows"
FROM "springline"."desired_best_out" AS "d"
GROUP BY "d"."_key"
HAVING COUNT(*) > 1 OR "d"."_key" IS NULL
LIMIT 5;

-- sync.best_out.difference
BEGIN;
DROP TABLE IF EXISTS "springline"."difference_best_out__new";
CREATE TABLE "springline"."difference_best_out__new" AS
SELECT
  COALESCE("d"."_key", "l"."_key") AS "_key",
  CASE WHEN "d"."_key" IS NULL THEN 'removed' WHEN "l"."_hash" IS NULL THEN 'added' WHEN "d"."_hash" <> "l"."_hash" OR "l"."in_doubt" IS NOT NULL THEN 'changed' ELSE 'repeated' END AS "_change",
  COALESCE(COALESCE("d"."_hash", "l"."_hash"), '') AS "_hash",
  "l"."receipt" AS "_receipt",
  "l"."in_doubt" AS "_in_doubt",
  "l"."in_doubt_request" AS "_in_doubt_request"
FROM "springline"."desired_best_out" AS "d"
FULL JOIN "springline"."ledger_best_out" AS "l" ON "d"."_key" = "l"."_key"
WHERE "d"."_key" IS NULL OR "l"."_hash" IS NULL OR "d"."_hash" <> "l"."_hash" OR "l"."in_doubt" IS NOT NULL;
ANALYZE "springline"."difference_best_out__new";
DROP TABLE IF EXISTS "springline"."difference_best_out";
ALTER TABLE "springline"."difference_best_out__new" RENAME TO "difference_best_out";
COMMIT;

-- sync.best_out.counts
SELECT
  "c"."_change",
  "r"."_key" IS NOT NULL AS "held",
  "c"."_in_doubt" IS NOT NULL AS "in_doubt",
  COUNT(*) AS "rows"
FROM "springline"."difference_best_out" AS "c"
LEFT JOIN "springline"."rejected_best_out" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN TIMESTAMPTZ '2024-06-29 23:55:00+00' WHEN "r"."attempts" <= 2 THEN TIMESTAMPTZ '2024-06-29 23:30:00+00' WHEN "r"."attempts" <= 3 THEN TIMESTAMPTZ '2024-06-29 22:00:00+00' WHEN "r"."attempts" <= 4 THEN TIMESTAMPTZ '2024-06-29 12:00:00+00' ELSE TIMESTAMPTZ '2024-06-29 00:00:00+00' END)
GROUP BY "c"."_change", "r"."_key" IS NOT NULL, "c"."_in_doubt" IS NOT NULL
UNION ALL
SELECT
  'desired' AS "_change",
  FALSE AS "held",
  FALSE AS "in_doubt",
  COUNT(*) AS "rows"
FROM "springline"."desired_best_out" AS "d";

-- sync.best_out.rejected.clear
BEGIN;
DROP TABLE IF EXISTS "springline"."rejected_best_out__new";
CREATE TABLE "springline"."rejected_best_out__new" AS
SELECT
  "r"."_key",
  "r"."_hash",
  "r"."operation",
  "r"."code",
  "r"."message",
  "r"."retryable",
  "r"."run_id",
  "r"."first_seen_at",
  "r"."last_seen_at",
  "r"."attempts"
FROM "springline"."difference_best_out" AS "c"
INNER JOIN "springline"."rejected_best_out" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation"
WHERE "c"."_change" IN ('added', 'changed', 'removed', 'repeated');
ANALYZE "springline"."rejected_best_out__new";
DROP TABLE IF EXISTS "springline"."rejected_best_out";
ALTER TABLE "springline"."rejected_best_out__new" RENAME TO "rejected_best_out";
COMMIT;

-- sync.best_out.changes
SELECT
  "c"."_key",
  "c"."_change",
  "c"."_hash",
  "c"."_receipt",
  CAST(NULL AS TEXT) AS "_repeat_of",
  "d"."city",
  "d"."stage"
FROM "springline"."difference_best_out" AS "c"
LEFT JOIN "springline"."desired_best_out" AS "d" ON "c"."_key" = "d"."_key"
LEFT JOIN "springline"."rejected_best_out" AS "r" ON "c"."_key" = "r"."_key" AND "c"."_hash" = "r"."_hash" AND CASE WHEN "c"."_change" = 'removed' THEN 'delete' ELSE 'upsert' END = "r"."operation" AND (NOT "r"."retryable" OR "r"."last_seen_at" > CASE WHEN "r"."attempts" <= 1 THEN TIMESTAMPTZ '2024-06-29 23:55:00+00' WHEN "r"."attempts" <= 2 THEN TIMESTAMPTZ '2024-06-29 23:30:00+00' WHEN "r"."attempts" <= 3 THEN TIMESTAMPTZ '2024-06-29 22:00:00+00' WHEN "r"."attempts" <= 4 THEN TIMESTAMPTZ '2024-06-29 12:00:00+00' ELSE TIMESTAMPTZ '2024-06-29 00:00:00+00' END)
WHERE "c"."_change" IN ('added', 'changed', 'removed', 'repeated')
  AND "r"."_key" IS NULL
  AND "c"."_in_doubt" IS NULL;

-- sync.best_out.outcomes.drop
DROP TABLE IF EXISTS "springline"."outcomes_best_out";

-- sync.best_out.outcomes
CREATE TABLE IF NOT EXISTS "springline"."outcomes_best_out" (
  "_key" TEXT,
  "_hash" TEXT,
  "run_id" TEXT,
  "sent_at" TIMESTAMPTZ,
  "receipt" TEXT,
  "in_doubt" TEXT,
  "in_doubt_request" TEXT,
  "removed" BOOLEAN
);

-- sync.best_out.refusals.drop
DROP TABLE IF EXISTS "springline"."refusals_best_out";

-- sync.best_out.refusals
CREATE TABLE IF NOT EXISTS "springline"."refusals_best_out" (
  "_key" TEXT,
  "_hash" TEXT,
  "operation" TEXT,
  "code" TEXT,
  "message" TEXT,
  "retryable" BOOLEAN,
  "run_id" TEXT,
  "seen_at" TIMESTAMPTZ
);

-- sync.best_out.acknowledge
MERGE INTO "springline"."ledger_best_out" AS t
USING "springline"."outcomes_best_out" AS s
ON t."_key" = s."_key"
WHEN MATCHED AND s."removed" THEN DELETE
WHEN MATCHED THEN UPDATE SET
  "_hash" = s."_hash",
  "run_id" = s."run_id",
  "sent_at" = s."sent_at",
  "receipt" = s."receipt",
  "in_doubt" = s."in_doubt",
  "in_doubt_request" = s."in_doubt_request"
WHEN NOT MATCHED AND NOT s."removed" THEN
  INSERT ("_key", "_hash", "run_id", "sent_at", "receipt", "in_doubt", "in_doubt_request")
  VALUES (s."_key", s."_hash", s."run_id", s."sent_at", s."receipt", s."in_doubt", s."in_doubt_request");

-- sync.best_out.refuse
BEGIN;
DROP TABLE IF EXISTS "springline"."rejected_best_out__new";
CREATE TABLE "springline"."rejected_best_out__new" AS
SELECT
  "f"."_key",
  "f"."_hash",
  "f"."operation",
  "f"."code",
  "f"."message",
  "f"."retryable",
  "f"."run_id",
  COALESCE("r"."first_seen_at", "f"."seen_at") AS "first_seen_at",
  "f"."seen_at" AS "last_seen_at",
  CAST(COALESCE("r"."attempts", 0) AS BIGINT) + CASE WHEN "r"."run_id" = "f"."run_id" THEN 0 ELSE 1 END AS "attempts"
FROM "springline"."refusals_best_out" AS "f"
LEFT JOIN "springline"."rejected_best_out" AS "r" ON "f"."_key" = "r"."_key"
UNION ALL
SELECT
  "r"."_key",
  "r"."_hash",
  "r"."operation",
  "r"."code",
  "r"."message",
  "r"."retryable",
  "r"."run_id",
  "r"."first_seen_at",
  "r"."last_seen_at",
  "r"."attempts"
FROM "springline"."rejected_best_out" AS "r"
LEFT JOIN "springline"."refusals_best_out" AS "f" ON "r"."_key" = "f"."_key"
LEFT JOIN "springline"."outcomes_best_out" AS "o" ON "r"."_key" = "o"."_key" AND "o"."in_doubt" IS NULL
WHERE "f"."_key" IS NULL
  AND "o"."_key" IS NULL;
ANALYZE "springline"."rejected_best_out__new";
DROP TABLE IF EXISTS "springline"."rejected_best_out";
ALTER TABLE "springline"."rejected_best_out__new" RENAME TO "rejected_best_out";
COMMIT;

-- sync.best_out.desired.drop
DROP TABLE IF EXISTS "springline"."desired_best_out";

-- sync.best_out.difference.drop
DROP TABLE IF EXISTS "springline"."difference_best_out";

-- sync.best_out.outcomes.drop
DROP TABLE IF EXISTS "springline"."outcomes_best_out";

-- sync.best_out.refusals.drop
DROP TABLE IF EXISTS "springline"."refusals_best_out";

