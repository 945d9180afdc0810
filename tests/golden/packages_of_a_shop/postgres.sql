-- segment.buyers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) > 0 AS "purchase_exists"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "crm"."customers" AS "customer"
INNER JOIN "purchase" ON "customer"."customer_id" = "purchase"."customer_id"
WHERE COALESCE("purchase"."purchase_exists", FALSE);

-- segment.prospects
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) > 0 AS "purchase_exists"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "crm"."customers" AS "customer"
LEFT JOIN "purchase" ON "customer"."customer_id" = "purchase"."customer_id"
WHERE NOT COALESCE("purchase"."purchase_exists", FALSE);

-- segment.new_buyers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2024-05-31 00:00:00+00') > 0 AS "purchase_exists_30d",
    COUNT(*) AS "purchase_count"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_count", 0) AS "order_count"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."order_count" = 1
  AND "customer"."purchase_exists_30d";

-- segment.one_time_buyers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count", 0) AS "order_count"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."order_count" = 1;

-- segment.repeat_buyers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count", 0) AS "order_count"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."order_count" >= 2;

-- segment.active_buyers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_90d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2024-04-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_90d", 0) AS "orders_90d"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."orders_90d" >= 1;

-- segment.lapsing_buyers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') AS "purchase_count_365d",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2024-04-01 00:00:00+00') AS "purchase_count_90d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "orders_365d",
    COALESCE("purchase"."purchase_count_90d", 0) AS "orders_90d"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."orders_365d" >= 2
  AND "customer"."orders_90d" = 0;

-- segment.dormant_buyers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    MAX("purchase_rows"."ordered_at") IS NOT NULL AS "purchase_exists",
    COALESCE(MAX("purchase_rows"."ordered_at") >= TIMESTAMPTZ '2023-07-01 00:00:00+00', FALSE) AS "purchase_exists_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "crm"."customers" AS "customer"
INNER JOIN "purchase" ON "customer"."customer_id" = "purchase"."customer_id"
WHERE COALESCE("purchase"."purchase_exists", FALSE)
  AND NOT COALESCE("purchase"."purchase_exists_365d", FALSE);

-- segment.big_spenders
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_sum_amount_365d", 0.00) AS "revenue_365d"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."revenue_365d" >= 1000.00;

-- segment.rfm_champions
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'champions';

-- segment.rfm_potential_loyalists
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'potential_loyalists';

-- segment.rfm_new_customers
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'new_customers';

-- segment.rfm_loyal
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'loyal';

-- segment.rfm_need_attention
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'need_attention';

-- segment.rfm_at_risk
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'at_risk';

-- segment.rfm_hibernating
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'hibernating';

-- segment.rfm_lost
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count_365d",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at_365d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
    AND "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."rfm_frequency" AS "value_2",
    "customer_1"."rfm_frequency" > 0 AS "value_3",
    "customer_1"."rfm_recency" AS "value_4"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "rfm_frequency",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_4" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_3" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_3" ORDER BY "customer_2_terms"."value_2" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."rfm_segment" = 'lost';

-- segment.high_lifetime_value
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "ltv_total"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."ltv_total" >= 500.00;

-- segment.regular_rhythm
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count",
    MIN("purchase_rows"."ordered_at") AS "purchase_min_ordered_at",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count", 0) AS "ltv_count",
    "purchase"."purchase_min_ordered_at" AS "ltv_first_at",
    "purchase"."purchase_max_ordered_at" AS "ltv_last_at"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_1"."customer_id",
    "customer_1"."ltv_count",
    CAST(CAST(CAST(CAST("customer_1"."ltv_last_at" AT TIME ZONE 'UTC' AS DATE) - CAST("customer_1"."ltv_first_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS NUMERIC(76, 38)) / NULLIF(NULLIF(CAST("customer_1"."ltv_count" AS BIGINT) - 1, 0), 0) AS NUMERIC(38, 6)) AS "ltv_days_between"
  FROM "customer_1"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."ltv_count" >= 3
  AND "customer"."ltv_days_between" <= 45.000000;

-- segment.overdue
WITH
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count",
    MIN("purchase_rows"."ordered_at") AS "purchase_min_ordered_at",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_count", 0) AS "ltv_count",
    "purchase"."purchase_min_ordered_at" AS "ltv_first_at",
    "purchase"."purchase_max_ordered_at" AS "ltv_last_at"
  FROM "crm"."customers" AS "customer_base"
  INNER JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_1"."customer_id",
    "customer_1"."ltv_count",
    "customer_1"."ltv_last_at",
    CAST(CAST(CAST(CAST("customer_1"."ltv_last_at" AT TIME ZONE 'UTC' AS DATE) - CAST("customer_1"."ltv_first_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS NUMERIC(76, 38)) / NULLIF(NULLIF(CAST("customer_1"."ltv_count" AS BIGINT) - 1, 0), 0) AS NUMERIC(38, 6)) AS "ltv_days_between"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_2"."customer_id",
    "customer_2"."ltv_count",
    CAST(CAST("customer_2"."ltv_last_at" AT TIME ZONE 'UTC' AS DATE) + CAST(CEIL("customer_2"."ltv_days_between") AS BIGINT) * CAST('1 ' || 'day' AS INTERVAL) AS DATE) AS "ltv_expected_next_on"
  FROM "customer_2"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."ltv_count" >= 3
  AND "customer"."ltv_expected_next_on" < DATE '2024-06-30';

-- segment.with_email
WITH
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    (REGEXP_MATCH(LOWER(BTRIM("customer_base"."email") COLLATE "und-x-icu") COLLATE "C", '(^[^	- @]+@[^	- @]+$)'))[1] AS "email_key"
  FROM "crm"."customers" AS "customer_base"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."email_key" IS NOT NULL;

-- segment.with_phone
WITH
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_base"."customer_id",
    (REGEXP_MATCH(REGEXP_REPLACE(REGEXP_REPLACE('+33' || REGEXP_REPLACE((REGEXP_MATCH("customer_base"."phone", '(^[	- (-)+\--9  ]*$)'))[1], '[^+0-9]', '', 'g'), '^\+33(?:\+|00)', '+', 'g'), '^\+330', '+33', 'g'), '(^\+[1-9][0-9]{6,14}$)'))[1] AS "phone_key"
  FROM "crm"."customers" AS "customer_base"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE "customer"."phone_key" IS NOT NULL;

-- segment.out_of_reach
WITH
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    (REGEXP_MATCH(LOWER(BTRIM("customer_base"."email") COLLATE "und-x-icu") COLLATE "C", '(^[^	- @]+@[^	- @]+$)'))[1] AS "email_key",
    (REGEXP_MATCH(REGEXP_REPLACE(REGEXP_REPLACE('+33' || REGEXP_REPLACE((REGEXP_MATCH("customer_base"."phone", '(^[	- (-)+\--9  ]*$)'))[1], '[^+0-9]', '', 'g'), '^\+33(?:\+|00)', '+', 'g'), '^\+330', '+33', 'g'), '(^\+[1-9][0-9]{6,14}$)'))[1] AS "phone_key"
  FROM "crm"."customers" AS "customer_base"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_1"."customer_id",
    COALESCE("customer_1"."email_key" IS NOT NULL, FALSE) AS "with_email",
    COALESCE("customer_1"."phone_key" IS NOT NULL, FALSE) AS "with_phone"
  FROM "customer_1"
)
SELECT
  "customer"."customer_id"
FROM "customer"
WHERE NOT ("customer"."with_email" OR "customer"."with_phone");

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
-- springline/retail: customer.yaml:7
"purchase" AS (
  SELECT
    "purchase_rows"."customer_id",
    COUNT(*) AS "purchase_count",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2024-04-01 00:00:00+00') AS "purchase_count_90d",
    COUNT(*) FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') AS "purchase_count_365d",
    CAST(SUM("purchase_rows"."amount") AS NUMERIC(38, 2)) AS "purchase_sum_amount",
    CAST(SUM("purchase_rows"."amount") FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') AS NUMERIC(38, 2)) AS "purchase_sum_amount_365d",
    CAST(AVG("purchase_rows"."amount") AS NUMERIC(38, 6)) AS "purchase_avg_amount",
    MIN("purchase_rows"."ordered_at") AS "purchase_min_ordered_at",
    MAX("purchase_rows"."ordered_at") AS "purchase_max_ordered_at",
    MAX("purchase_rows"."ordered_at") FILTER (WHERE "purchase_rows"."ordered_at" >= TIMESTAMPTZ '2023-07-01 00:00:00+00') AS "purchase_max_ordered_at_365d",
    MAX("purchase_rows"."ordered_at") IS NOT NULL AS "purchase_exists",
    COALESCE(MAX("purchase_rows"."ordered_at") >= TIMESTAMPTZ '2023-07-01 00:00:00+00', FALSE) AS "purchase_exists_365d",
    COALESCE(MAX("purchase_rows"."ordered_at") >= TIMESTAMPTZ '2024-05-31 00:00:00+00', FALSE) AS "purchase_exists_30d"
  FROM "shop"."orders" AS "purchase_rows"
  WHERE "purchase_rows"."ordered_at" < TIMESTAMPTZ '2024-06-30 00:00:00+00'
  GROUP BY "purchase_rows"."customer_id"
),
-- springline/retail: customer.yaml:2
"customer_1" AS (
  SELECT
    "customer_base"."customer_id",
    COALESCE("purchase"."purchase_exists_30d", FALSE) AS "purchase_exists_30d",
    COALESCE("purchase"."purchase_count", 0) AS "order_count",
    COALESCE("purchase"."purchase_count_90d", 0) AS "orders_90d",
    COALESCE("purchase"."purchase_count_365d", 0) AS "orders_365d",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "revenue",
    COALESCE("purchase"."purchase_sum_amount_365d", 0.00) AS "revenue_365d",
    "purchase"."purchase_avg_amount" AS "average_order",
    "purchase"."purchase_min_ordered_at" AS "first_order_at",
    "purchase"."purchase_max_ordered_at" AS "last_order_at",
    COALESCE("purchase"."purchase_sum_amount", 0.00) AS "ltv_total",
    COALESCE("purchase"."purchase_count", 0) AS "ltv_count",
    "purchase"."purchase_min_ordered_at" AS "ltv_first_at",
    "purchase"."purchase_max_ordered_at" AS "ltv_last_at",
    (REGEXP_MATCH(LOWER(BTRIM("customer_base"."email") COLLATE "und-x-icu") COLLATE "C", '(^[^	- @]+@[^	- @]+$)'))[1] AS "email_key",
    (REGEXP_MATCH(REGEXP_REPLACE(REGEXP_REPLACE('+33' || REGEXP_REPLACE((REGEXP_MATCH("customer_base"."phone", '(^[	- (-)+\--9  ]*$)'))[1], '[^+0-9]', '', 'g'), '^\+33(?:\+|00)', '+', 'g'), '^\+330', '+33', 'g'), '(^\+[1-9][0-9]{6,14}$)'))[1] AS "phone_key",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("purchase"."purchase_max_ordered_at_365d" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "rfm_recency",
    COALESCE("purchase"."purchase_count_365d", 0) AS "rfm_frequency",
    COALESCE("purchase"."purchase_sum_amount_365d", 0.00) AS "rfm_monetary",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "buyers",
    COALESCE(NOT COALESCE("purchase"."purchase_exists", FALSE), FALSE) AS "prospects",
    COALESCE(COALESCE("purchase"."purchase_exists", FALSE) AND NOT COALESCE("purchase"."purchase_exists_365d", FALSE), FALSE) AS "dormant_buyers"
  FROM "crm"."customers" AS "customer_base"
  LEFT JOIN "purchase" ON "customer_base"."customer_id" = "purchase"."customer_id"
),
"customer_2_terms" AS (
  SELECT
    "customer_1"."customer_id" AS "value_1",
    "customer_1"."order_count" AS "value_2",
    "customer_1"."orders_90d" AS "value_3",
    "customer_1"."orders_365d" AS "value_4",
    "customer_1"."revenue" AS "value_5",
    "customer_1"."revenue_365d" AS "value_6",
    "customer_1"."average_order" AS "value_7",
    "customer_1"."first_order_at" AS "value_8",
    "customer_1"."last_order_at" AS "value_9",
    "customer_1"."ltv_total" AS "value_10",
    "customer_1"."ltv_count" AS "value_11",
    "customer_1"."ltv_first_at" AS "value_12",
    "customer_1"."ltv_last_at" AS "value_13",
    "customer_1"."email_key" AS "value_14",
    "customer_1"."phone_key" AS "value_15",
    "customer_1"."rfm_recency" AS "value_16",
    "customer_1"."rfm_frequency" AS "value_17",
    "customer_1"."rfm_monetary" AS "value_18",
    "customer_1"."buyers" AS "value_19",
    "customer_1"."prospects" AS "value_20",
    "customer_1"."dormant_buyers" AS "value_21",
    CAST(CAST("customer_1"."ltv_total" AS NUMERIC(76, 38)) / NULLIF(NULLIF("customer_1"."ltv_count", 0), 0) AS NUMERIC(38, 6)) AS "value_22",
    CAST(CAST(CAST(CAST("customer_1"."ltv_last_at" AT TIME ZONE 'UTC' AS DATE) - CAST("customer_1"."ltv_first_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS NUMERIC(76, 38)) / NULLIF(NULLIF(CAST("customer_1"."ltv_count" AS BIGINT) - 1, 0), 0) AS NUMERIC(38, 6)) AS "value_23",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("customer_1"."ltv_first_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "value_24",
    CAST(CAST(TIMESTAMPTZ '2024-06-30 00:00:00+00' AT TIME ZONE 'UTC' AS DATE) - CAST("customer_1"."ltv_last_at" AT TIME ZONE 'UTC' AS DATE) AS BIGINT) AS "value_25",
    CASE WHEN "customer_1"."ltv_total" < 100.00 THEN 'low' WHEN "customer_1"."ltv_total" < 500.00 THEN 'mid' WHEN "customer_1"."ltv_total" < 2000.00 THEN 'high' WHEN "customer_1"."ltv_total" >= 2000.00 THEN 'top' END AS "value_26",
    ENCODE(SHA256(CONVERT_TO("customer_1"."email_key", 'UTF8')), 'hex') AS "value_27",
    ENCODE(SHA256(CONVERT_TO("customer_1"."phone_key", 'UTF8')), 'hex') AS "value_28",
    "customer_1"."rfm_frequency" > 0 AS "value_29",
    COALESCE("customer_1"."order_count" = 1 AND "customer_1"."purchase_exists_30d", FALSE) AS "value_30",
    COALESCE("customer_1"."order_count" = 1, FALSE) AS "value_31",
    COALESCE("customer_1"."order_count" >= 2, FALSE) AS "value_32",
    COALESCE("customer_1"."orders_90d" >= 1, FALSE) AS "value_33",
    COALESCE("customer_1"."orders_365d" >= 2 AND "customer_1"."orders_90d" = 0, FALSE) AS "value_34",
    COALESCE("customer_1"."revenue_365d" >= 1000.00, FALSE) AS "value_35",
    COALESCE("customer_1"."ltv_total" >= 500.00, FALSE) AS "value_36",
    COALESCE("customer_1"."email_key" IS NOT NULL, FALSE) AS "value_37",
    COALESCE("customer_1"."phone_key" IS NOT NULL, FALSE) AS "value_38"
  FROM "customer_1"
),
-- springline/retail: customer.yaml:2
"customer_2" AS (
  SELECT
    "customer_2_terms"."value_1" AS "customer_id",
    "customer_2_terms"."value_2" AS "order_count",
    "customer_2_terms"."value_3" AS "orders_90d",
    "customer_2_terms"."value_4" AS "orders_365d",
    "customer_2_terms"."value_5" AS "revenue",
    "customer_2_terms"."value_6" AS "revenue_365d",
    "customer_2_terms"."value_7" AS "average_order",
    "customer_2_terms"."value_8" AS "first_order_at",
    "customer_2_terms"."value_9" AS "last_order_at",
    "customer_2_terms"."value_10" AS "ltv_total",
    "customer_2_terms"."value_11" AS "ltv_count",
    "customer_2_terms"."value_12" AS "ltv_first_at",
    "customer_2_terms"."value_13" AS "ltv_last_at",
    "customer_2_terms"."value_14" AS "email_key",
    "customer_2_terms"."value_15" AS "phone_key",
    "customer_2_terms"."value_16" AS "rfm_recency",
    "customer_2_terms"."value_17" AS "rfm_frequency",
    "customer_2_terms"."value_18" AS "rfm_monetary",
    "customer_2_terms"."value_19" AS "buyers",
    "customer_2_terms"."value_20" AS "prospects",
    "customer_2_terms"."value_21" AS "dormant_buyers",
    "customer_2_terms"."value_22" AS "ltv_average_basket",
    "customer_2_terms"."value_23" AS "ltv_days_between",
    "customer_2_terms"."value_24" AS "ltv_tenure_days",
    "customer_2_terms"."value_25" AS "ltv_days_since_last",
    "customer_2_terms"."value_26" AS "ltv_band",
    "customer_2_terms"."value_27" AS "email_hash",
    "customer_2_terms"."value_28" AS "phone_hash",
    CASE WHEN "customer_2_terms"."value_29" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_29" ORDER BY "customer_2_terms"."value_16" DESC NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_r",
    CASE WHEN "customer_2_terms"."value_29" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_29" ORDER BY "customer_2_terms"."value_17" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_f",
    CASE WHEN "customer_2_terms"."value_29" THEN CAST(NTILE(5) OVER (PARTITION BY "customer_2_terms"."value_29" ORDER BY "customer_2_terms"."value_18" NULLS LAST, "customer_2_terms"."value_1" COLLATE "C" NULLS LAST) AS BIGINT) END AS "rfm_m",
    "customer_2_terms"."value_30" AS "new_buyers",
    "customer_2_terms"."value_31" AS "one_time_buyers",
    "customer_2_terms"."value_32" AS "repeat_buyers",
    "customer_2_terms"."value_33" AS "active_buyers",
    "customer_2_terms"."value_34" AS "lapsing_buyers",
    "customer_2_terms"."value_35" AS "big_spenders",
    "customer_2_terms"."value_36" AS "high_lifetime_value",
    "customer_2_terms"."value_37" AS "with_email",
    "customer_2_terms"."value_38" AS "with_phone"
  FROM "customer_2_terms"
),
-- springline/retail: customer.yaml:2
"customer_3" AS (
  SELECT
    "customer_2"."customer_id",
    "customer_2"."order_count",
    "customer_2"."orders_90d",
    "customer_2"."orders_365d",
    "customer_2"."revenue",
    "customer_2"."revenue_365d",
    "customer_2"."average_order",
    "customer_2"."first_order_at",
    "customer_2"."last_order_at",
    "customer_2"."ltv_total",
    "customer_2"."ltv_count",
    "customer_2"."ltv_first_at",
    "customer_2"."ltv_last_at",
    "customer_2"."email_key",
    "customer_2"."phone_key",
    "customer_2"."rfm_recency",
    "customer_2"."rfm_frequency",
    "customer_2"."rfm_monetary",
    "customer_2"."buyers",
    "customer_2"."prospects",
    "customer_2"."dormant_buyers",
    "customer_2"."ltv_average_basket",
    "customer_2"."ltv_days_between",
    "customer_2"."ltv_tenure_days",
    "customer_2"."ltv_days_since_last",
    "customer_2"."ltv_band",
    "customer_2"."email_hash",
    "customer_2"."phone_hash",
    "customer_2"."rfm_r",
    "customer_2"."rfm_f",
    "customer_2"."rfm_m",
    "customer_2"."new_buyers",
    "customer_2"."one_time_buyers",
    "customer_2"."repeat_buyers",
    "customer_2"."active_buyers",
    "customer_2"."lapsing_buyers",
    "customer_2"."big_spenders",
    "customer_2"."high_lifetime_value",
    "customer_2"."with_email",
    "customer_2"."with_phone",
    CAST(CAST("customer_2"."ltv_last_at" AT TIME ZONE 'UTC' AS DATE) + CAST(CEIL("customer_2"."ltv_days_between") AS BIGINT) * CAST('1 ' || 'day' AS INTERVAL) AS DATE) AS "ltv_expected_next_on",
    CAST("customer_2"."rfm_r" AS TEXT) || CAST("customer_2"."rfm_f" AS TEXT) || CAST("customer_2"."rfm_m" AS TEXT) AS "rfm_score",
    CASE WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'champions' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'potential_loyalists' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 4 AND "customer_2"."rfm_r" <= 5 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'new_customers' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'loyal' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 3 AND "customer_2"."rfm_r" <= 3 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 3 THEN 'need_attention' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 4 AND "customer_2"."rfm_f" <= 5 THEN 'at_risk' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 2 AND "customer_2"."rfm_f" <= 3 THEN 'hibernating' WHEN "customer_2"."rfm_frequency" > 0 AND "customer_2"."rfm_r" >= 1 AND "customer_2"."rfm_r" <= 2 AND "customer_2"."rfm_f" >= 1 AND "customer_2"."rfm_f" <= 1 THEN 'lost' END AS "rfm_segment",
    COALESCE("customer_2"."ltv_count" >= 3 AND "customer_2"."ltv_days_between" <= 45.000000, FALSE) AS "regular_rhythm",
    COALESCE(NOT ("customer_2"."with_email" OR "customer_2"."with_phone"), FALSE) AS "out_of_reach"
  FROM "customer_2"
),
-- springline/retail: customer.yaml:2
"customer" AS (
  SELECT
    "customer_3"."customer_id",
    "customer_3"."order_count",
    "customer_3"."orders_90d",
    "customer_3"."orders_365d",
    "customer_3"."revenue",
    "customer_3"."revenue_365d",
    "customer_3"."average_order",
    "customer_3"."first_order_at",
    "customer_3"."last_order_at",
    "customer_3"."ltv_total",
    "customer_3"."ltv_count",
    "customer_3"."ltv_first_at",
    "customer_3"."ltv_last_at",
    "customer_3"."email_key",
    "customer_3"."phone_key",
    "customer_3"."rfm_recency",
    "customer_3"."rfm_frequency",
    "customer_3"."rfm_monetary",
    "customer_3"."buyers",
    "customer_3"."prospects",
    "customer_3"."dormant_buyers",
    "customer_3"."ltv_average_basket",
    "customer_3"."ltv_days_between",
    "customer_3"."ltv_tenure_days",
    "customer_3"."ltv_days_since_last",
    "customer_3"."ltv_band",
    "customer_3"."email_hash",
    "customer_3"."phone_hash",
    "customer_3"."rfm_r",
    "customer_3"."rfm_f",
    "customer_3"."rfm_m",
    "customer_3"."new_buyers",
    "customer_3"."one_time_buyers",
    "customer_3"."repeat_buyers",
    "customer_3"."active_buyers",
    "customer_3"."lapsing_buyers",
    "customer_3"."big_spenders",
    "customer_3"."high_lifetime_value",
    "customer_3"."with_email",
    "customer_3"."with_phone",
    "customer_3"."ltv_expected_next_on",
    "customer_3"."rfm_score",
    "customer_3"."rfm_segment",
    "customer_3"."regular_rhythm",
    "customer_3"."out_of_reach",
    COALESCE("customer_3"."rfm_segment" = 'champions', FALSE) AS "rfm_champions",
    COALESCE("customer_3"."rfm_segment" = 'potential_loyalists', FALSE) AS "rfm_potential_loyalists",
    COALESCE("customer_3"."rfm_segment" = 'new_customers', FALSE) AS "rfm_new_customers",
    COALESCE("customer_3"."rfm_segment" = 'loyal', FALSE) AS "rfm_loyal",
    COALESCE("customer_3"."rfm_segment" = 'need_attention', FALSE) AS "rfm_need_attention",
    COALESCE("customer_3"."rfm_segment" = 'at_risk', FALSE) AS "rfm_at_risk",
    COALESCE("customer_3"."rfm_segment" = 'hibernating', FALSE) AS "rfm_hibernating",
    COALESCE("customer_3"."rfm_segment" = 'lost', FALSE) AS "rfm_lost",
    COALESCE("customer_3"."ltv_count" >= 3 AND "customer_3"."ltv_expected_next_on" < DATE '2024-06-30', FALSE) AS "overdue"
  FROM "customer_3"
)
SELECT
  "customer"."customer_id",
  "customer"."order_count",
  "customer"."orders_90d",
  "customer"."orders_365d",
  "customer"."revenue",
  "customer"."revenue_365d",
  "customer"."average_order",
  "customer"."first_order_at",
  "customer"."last_order_at",
  "customer"."ltv_total",
  "customer"."ltv_count",
  "customer"."ltv_average_basket",
  "customer"."ltv_first_at",
  "customer"."ltv_last_at",
  "customer"."ltv_days_between",
  "customer"."ltv_tenure_days",
  "customer"."ltv_days_since_last",
  "customer"."ltv_expected_next_on",
  "customer"."ltv_band",
  "customer"."email_key",
  "customer"."phone_key",
  "customer"."email_hash",
  "customer"."phone_hash",
  "customer"."rfm_recency",
  "customer"."rfm_frequency",
  "customer"."rfm_monetary",
  "customer"."rfm_r",
  "customer"."rfm_f",
  "customer"."rfm_m",
  "customer"."rfm_score",
  "customer"."rfm_segment",
  "customer"."buyers",
  "customer"."prospects",
  "customer"."new_buyers",
  "customer"."one_time_buyers",
  "customer"."repeat_buyers",
  "customer"."active_buyers",
  "customer"."lapsing_buyers",
  "customer"."dormant_buyers",
  "customer"."big_spenders",
  "customer"."rfm_champions",
  "customer"."rfm_potential_loyalists",
  "customer"."rfm_new_customers",
  "customer"."rfm_loyal",
  "customer"."rfm_need_attention",
  "customer"."rfm_at_risk",
  "customer"."rfm_hibernating",
  "customer"."rfm_lost",
  "customer"."high_lifetime_value",
  "customer"."regular_rhythm",
  "customer"."overdue",
  "customer"."with_email",
  "customer"."with_phone",
  "customer"."out_of_reach"
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
    UNNEST(ARRAY[CASE WHEN "e"."buyers" THEN 'buyers' END, CASE WHEN "e"."prospects" THEN 'prospects' END, CASE WHEN "e"."new_buyers" THEN 'new_buyers' END, CASE WHEN "e"."one_time_buyers" THEN 'one_time_buyers' END, CASE WHEN "e"."repeat_buyers" THEN 'repeat_buyers' END, CASE WHEN "e"."active_buyers" THEN 'active_buyers' END, CASE WHEN "e"."lapsing_buyers" THEN 'lapsing_buyers' END, CASE WHEN "e"."dormant_buyers" THEN 'dormant_buyers' END, CASE WHEN "e"."big_spenders" THEN 'big_spenders' END, CASE WHEN "e"."rfm_champions" THEN 'rfm_champions' END, CASE WHEN "e"."rfm_potential_loyalists" THEN 'rfm_potential_loyalists' END, CASE WHEN "e"."rfm_new_customers" THEN 'rfm_new_customers' END, CASE WHEN "e"."rfm_loyal" THEN 'rfm_loyal' END, CASE WHEN "e"."rfm_need_attention" THEN 'rfm_need_attention' END, CASE WHEN "e"."rfm_at_risk" THEN 'rfm_at_risk' END, CASE WHEN "e"."rfm_hibernating" THEN 'rfm_hibernating' END, CASE WHEN "e"."rfm_lost" THEN 'rfm_lost' END, CASE WHEN "e"."high_lifetime_value" THEN 'high_lifetime_value' END, CASE WHEN "e"."regular_rhythm" THEN 'regular_rhythm' END, CASE WHEN "e"."overdue" THEN 'overdue' END, CASE WHEN "e"."with_email" THEN 'with_email' END, CASE WHEN "e"."with_phone" THEN 'with_phone' END, CASE WHEN "e"."out_of_reach" THEN 'out_of_reach' END]) AS "segment",
    "e"."customer_id" AS "entity_id"
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

