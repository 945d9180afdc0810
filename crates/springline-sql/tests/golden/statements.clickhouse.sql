-- ==== segment
WITH
-- models/customer.yaml:12 fields of purchase
`orders` AS (
  SELECT
    `o`.`customer_id` AS `customer_id`,
    CAST(sumOrNull(`o`.`amount`) AS Nullable(Decimal(38, 2))) AS `lifetime_value`,
    toInt64(COUNT(*) FILTER (WHERE `o`.`ordered_at` >= toDateTime64('2024-04-01 00:00:00', 6, 'UTC'))) AS `orders_90d`,
    tupleElement(argMin(tuple(toNullable(`o`.`channel`)), tuple(`o`.`ordered_at` IS NULL, -toUnixTimestamp64Micro(CAST(`o`.`ordered_at` AS Nullable(DateTime64(6, 'UTC')))), `o`.`channel` IS NULL, `o`.`channel`)), 1) AS `last_channel`,
    COUNT(*) FILTER (WHERE `o`.`ordered_at` >= toDateTime64('2024-04-01 00:00:00', 6, 'UTC') AND `o`.`channel` = 'web') > 0 AS `web_buyer`
  FROM `shop`.`orders` AS `o`
  WHERE `o`.`ordered_at` < toDateTime64('2024-06-30 00:00:00', 6, 'UTC')
    AND (`o`.`channel` <> 'test' OR `o`.`channel` IS NULL)
    AND `o`.`customer_id` IS NOT NULL
  GROUP BY `o`.`customer_id`
  HAVING toInt64(COUNT(*)) > 0
)
SELECT
  `c`.`customer_id` AS `customer_id`,
  COALESCE(`orders`.`lifetime_value`, CAST('0.00' AS Nullable(Decimal(2, 2)))) AS `lifetime_value`
FROM `crm`.`customers` AS `c`
LEFT JOIN `orders` ON `orders`.`customer_id` = `c`.`customer_id`
WHERE `orders`.`lifetime_value` >= CAST('500.00' AS Nullable(Decimal(5, 2)))
  AND upperUTF8(`c`.`city`) <> 'TEST'
ORDER BY `orders`.`lifetime_value` DESC NULLS LAST, `c`.`city` NULLS LAST
LIMIT 100

-- ==== difference
WITH
`wanted` AS (
  SELECT DISTINCT
    `t`.`customer_id` AS `customer_id`,
    `t`.`hash` AS `hash`
  FROM `lake`.`springline`.`wanted` AS `t`
),
`ledger` AS (
  SELECT DISTINCT
    `t`.`customer_id` AS `customer_id`,
    `t`.`hash` AS `hash`
  FROM `lake`.`springline`.`ledger` AS `t`
),
`joined` AS (
  SELECT
    COALESCE(`w`.`customer_id`, `l`.`customer_id`) AS `customer_id`,
    `l`.`hash` AS `before`,
    `w`.`hash` AS `after`
  FROM `wanted` AS `w`
  FULL JOIN `ledger` AS `l` ON `w`.`customer_id` = `l`.`customer_id`
  INNER JOIN `sample` AS `s` ON TRUE
)
SELECT
  'added' AS `op`,
  `j`.`customer_id` AS `customer_id`
FROM `joined` AS `j`
WHERE `j`.`before` IS NULL
UNION ALL
(SELECT
  'removed' AS `op`,
  `j`.`customer_id` AS `customer_id`
FROM `joined` AS `j`
WHERE `j`.`after` IS NULL
GROUP BY `j`.`customer_id`, CAST(1 AS Nullable(Int64))
LIMIT 5)

-- ==== create schema
CREATE DATABASE IF NOT EXISTS `springline`

-- ==== create table
CREATE TABLE IF NOT EXISTS `springline`.`membership` (
  `segment` Nullable(String),
  `value` Nullable(Decimal(38, 2)),
  `tags` Array(Nullable(String)),
  `entered_at` Nullable(DateTime64(6, 'UTC'))
)
ENGINE = MergeTree ORDER BY tuple()

-- ==== replace table
CREATE OR REPLACE TABLE `springline`.`membership`
ENGINE = MergeTree ORDER BY tuple()
AS
WITH
-- models/customer.yaml:12 fields of purchase
`orders` AS (
  SELECT
    `o`.`customer_id` AS `customer_id`,
    CAST(sumOrNull(`o`.`amount`) AS Nullable(Decimal(38, 2))) AS `lifetime_value`,
    toInt64(COUNT(*) FILTER (WHERE `o`.`ordered_at` >= toDateTime64('2024-04-01 00:00:00', 6, 'UTC'))) AS `orders_90d`,
    tupleElement(argMin(tuple(toNullable(`o`.`channel`)), tuple(`o`.`ordered_at` IS NULL, -toUnixTimestamp64Micro(CAST(`o`.`ordered_at` AS Nullable(DateTime64(6, 'UTC')))), `o`.`channel` IS NULL, `o`.`channel`)), 1) AS `last_channel`,
    COUNT(*) FILTER (WHERE `o`.`ordered_at` >= toDateTime64('2024-04-01 00:00:00', 6, 'UTC') AND `o`.`channel` = 'web') > 0 AS `web_buyer`
  FROM `shop`.`orders` AS `o`
  WHERE `o`.`ordered_at` < toDateTime64('2024-06-30 00:00:00', 6, 'UTC')
    AND (`o`.`channel` <> 'test' OR `o`.`channel` IS NULL)
    AND `o`.`customer_id` IS NOT NULL
  GROUP BY `o`.`customer_id`
  HAVING toInt64(COUNT(*)) > 0
)
SELECT
  `c`.`customer_id` AS `customer_id`,
  COALESCE(`orders`.`lifetime_value`, CAST('0.00' AS Nullable(Decimal(2, 2)))) AS `lifetime_value`
FROM `crm`.`customers` AS `c`
LEFT JOIN `orders` ON `orders`.`customer_id` = `c`.`customer_id`
WHERE `orders`.`lifetime_value` >= CAST('500.00' AS Nullable(Decimal(5, 2)))
  AND upperUTF8(`c`.`city`) <> 'TEST'
ORDER BY `orders`.`lifetime_value` DESC NULLS LAST, `c`.`city` NULLS LAST
LIMIT 100

-- ==== append
INSERT INTO `springline`.`membership` (`op`, `customer_id`)
WITH
`wanted` AS (
  SELECT DISTINCT
    `t`.`customer_id` AS `customer_id`,
    `t`.`hash` AS `hash`
  FROM `lake`.`springline`.`wanted` AS `t`
),
`ledger` AS (
  SELECT DISTINCT
    `t`.`customer_id` AS `customer_id`,
    `t`.`hash` AS `hash`
  FROM `lake`.`springline`.`ledger` AS `t`
),
`joined` AS (
  SELECT
    COALESCE(`w`.`customer_id`, `l`.`customer_id`) AS `customer_id`,
    `l`.`hash` AS `before`,
    `w`.`hash` AS `after`
  FROM `wanted` AS `w`
  FULL JOIN `ledger` AS `l` ON `w`.`customer_id` = `l`.`customer_id`
  INNER JOIN `sample` AS `s` ON TRUE
)
SELECT
  'added' AS `op`,
  `j`.`customer_id` AS `customer_id`
FROM `joined` AS `j`
WHERE `j`.`before` IS NULL
UNION ALL
(SELECT
  'removed' AS `op`,
  `j`.`customer_id` AS `customer_id`
FROM `joined` AS `j`
WHERE `j`.`after` IS NULL
GROUP BY `j`.`customer_id`, CAST(1 AS Nullable(Int64))
LIMIT 5)

-- ==== merge
-- error: the dialect `clickhouse` has no template `merge.sql.j2`

-- ==== merge of keys only
-- error: the dialect `clickhouse` has no template `merge.sql.j2`

-- ==== delete
DELETE FROM `springline`.`membership`
WHERE `segment` = 'lapsing' AND `ended_at` < toDateTime64('2024-06-30 00:00:00', 6, 'UTC')

-- ==== add column
ALTER TABLE `springline`.`membership` ADD COLUMN `score` Nullable(Decimal(12, 2))

-- ==== analyze
-- error: the dialect `clickhouse` has no template `analyze.sql.j2`

-- ==== drop table
DROP TABLE IF EXISTS `springline`.`membership`

