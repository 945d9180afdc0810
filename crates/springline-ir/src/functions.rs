//! The table of functions: one entry each, with its meaning, its null rule and examples.
//!
//! The reference page of functions is made from this table, and every dialect folder must answer for
//! each entry.

use crate::function::{Example, Function, FunctionId, FunctionKind, NullRule};
use crate::signature;

macro_rules! functions {
    ($($id:ident = $name:literal, $kind:ident, $signature:literal, $result:ident, $nulls:ident,
        $meaning:literal, [$(($call:literal, $value:literal)),*];)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        #[repr(u16)]
        enum Place { $($id),* }

        impl FunctionId {
            $(#[doc = $meaning] pub const $id: FunctionId = FunctionId(Place::$id as u16);)*
        }

        pub(crate) static FUNCTIONS: &[Function] = &[$(Function {
            name: $name,
            kind: FunctionKind::$kind,
            signature: $signature,
            result: signature::$result,
            nulls: NullRule::$nulls,
            meaning: $meaning,
            examples: &[$(Example { call: $call, result: $value }),*],
        }),*];
    };
}

functions! {
    EQ = "eq", Scalar, "a = b -> boolean", comparison, Propagates,
        "The two are equal. Text is compared by its bytes.",
        [("'a' = 'A'", "false")];
    NE = "ne", Scalar, "a <> b -> boolean", comparison, Propagates,
        "The two differ.",
        [("1 <> 2", "true")];
    LT = "lt", Scalar, "a < b -> boolean", comparison, Propagates,
        "The first is smaller; text by its bytes, false before true.",
        [("'B' < 'a'", "true")];
    LE = "le", Scalar, "a <= b -> boolean", comparison, Propagates,
        "The first is smaller or equal.",
        [("2 <= 2", "true")];
    GT = "gt", Scalar, "a > b -> boolean", comparison, Propagates,
        "The first is larger.",
        [("2 > 2", "false")];
    GE = "ge", Scalar, "a >= b -> boolean", comparison, Propagates,
        "The first is larger or equal.",
        [("2 >= 2", "true")];
    AND = "and", Scalar, "boolean and boolean -> boolean", logical, Special,
        "Both are true; false with null is false, true with null is null.",
        [("true and null", "null")];
    OR = "or", Scalar, "boolean or boolean -> boolean", logical, Special,
        "One is true; true with null is true, false with null is null.",
        [("true or null", "true")];
    NOT = "not", Scalar, "not boolean -> boolean", logical, Propagates,
        "True becomes false, false becomes true.",
        [("not true", "false")];
    IS_NULL = "is_null", Scalar, "a is null -> boolean", any_to_boolean, Special,
        "The value is null. The empty string is not null.",
        [("'' is null", "false")];
    IS_NOT_NULL = "is_not_null", Scalar, "a is not null -> boolean", any_to_boolean, Special,
        "The value is not null.",
        [("'' is not null", "true")];
    IN = "in", Scalar, "a in (b, ...) -> boolean", membership, Propagates,
        "The first equals one of the others.",
        [("2 in (1, 2)", "true")];
    LIKE = "like", Scalar, "string like pattern -> boolean", strings_to_boolean, Propagates,
        "The text matches: `%` is any text, `_` any character, a backslash takes the next character as it is.",
        [("'50%' like '50\\%'", "true")];
    ADD = "add", Scalar, "number + number -> number", additive, Propagates,
        "The sum of two numbers.",
        [("1 + 2", "3")];
    SUBTRACT = "subtract", Scalar, "number - number -> number", additive, Propagates,
        "The difference of two numbers.",
        [("1 - 2", "-1")];
    MULTIPLY = "multiply", Scalar, "number * number -> number", multiplied, Propagates,
        "The product of two numbers.",
        [("2 * 1.5", "3.0")];
    DIVIDE = "divide", Scalar, "number / number -> decimal or float", divided, Propagates,
        "The quotient, never cut to a whole number; division by zero gives null.",
        [("1 / 2", "0.500000"), ("1 / 0", "null"), ("1 / -(0e0)", "null")];
    DIV = "div", Scalar, "div(integer, integer) -> integer", whole_divided, Propagates,
        "The whole quotient, cut towards zero; division by zero gives null.",
        [("div(-7, 2)", "-3")];
    MOD = "mod", Scalar, "mod(integer, integer) -> integer", whole_divided, Propagates,
        "The remainder, with the sign of the first; division by zero gives null.",
        [("mod(-7, 2)", "-1")];
    NEGATE = "negate", Scalar, "- number -> number", same_number, Propagates,
        "The number with the other sign.",
        [("-(2)", "-2")];
    CONCAT = "concat", Scalar, "concat(string, ...) -> string", strings_to_string, Propagates,
        "The texts one after the other; `a || b` says the same.",
        [("'a' || null", "null"), ("concat('a', 'é', 'c')", "'aéc'")];
    IF = "if", Scalar, "if(boolean, a, b) -> a", none, Special,
        "The second argument where the first is true, else the third: also where the first is null.",
        [("if(1 < 2, 'yes', 'no')", "'yes'"), ("if(null, 1, 2)", "2")];
    COALESCE = "coalesce", Scalar, "coalesce(a, ...) -> a", common_all, Special,
        "The first argument that is not null.",
        [("coalesce(null, 2)", "2")];
    NULLIF = "nullif", Scalar, "nullif(a, b) -> a", first_of_comparable, Special,
        "Null where the two are equal, else the first.",
        [("nullif('', '')", "null")];
    LOWER = "lower", Scalar, "lower(string) -> string", strings_to_string, Propagates,
        "Every letter in lower case, by Unicode.",
        [("lower('É')", "'é'")];
    UPPER = "upper", Scalar, "upper(string) -> string", strings_to_string, Propagates,
        "Every letter in upper case, by Unicode.",
        [("upper('é')", "'É'")];
    TRIM = "trim", Scalar, "trim(string) -> string", strings_to_string, Propagates,
        "Without the spaces (U+0020) at both ends.",
        [("trim('  a ')", "'a'")];
    LENGTH = "length", Scalar, "length(string) -> integer", string_to_integer, Propagates,
        "How many characters (Unicode code points).",
        [("length('né')", "2")];
    SUBSTRING = "substring", Scalar, "substring(string, start, count) -> string", substring, Propagates,
        "`count` characters from the `start`-th, counted from 1.",
        [("substring('abcd', 2, 2)", "'bc'")];
    REPLACE = "replace", Scalar, "replace(string, from, to) -> string", strings_to_string, Propagates,
        "Every `from` replaced by `to`.",
        [("replace('a-b', '-', '')", "'ab'")];
    STARTS_WITH = "starts_with", Scalar, "starts_with(string, prefix) -> boolean", strings_to_boolean, Propagates,
        "The text begins with the prefix.",
        [("starts_with('abc', 'ab')", "true")];
    ENDS_WITH = "ends_with", Scalar, "ends_with(string, suffix) -> boolean", two_strings_to_boolean, Propagates,
        "The text ends with the suffix; every text ends with the empty one.",
        [("ends_with('café', 'é')", "true"), ("ends_with('a', 'ba')", "false"), ("ends_with('', '')", "true")];
    CONTAINS = "contains", Scalar, "contains(string, part) -> boolean", two_strings_to_boolean, Propagates,
        "The part stands somewhere in the text; the empty part stands in every text.",
        [("contains('50% off', '% ')", "true"), ("contains('abc', 'B')", "false"), ("contains('', '')", "true")];
    LEFT = "left", Scalar, "left(string, count) -> string", string_and_integer, Propagates,
        "The first `count` characters; a negative count leaves out so many at the end.",
        [("left('née', 2)", "'né'"), ("left('abc', 9)", "'abc'"), ("left('abc', -1)", "'ab'"), ("left('abc', 0)", "''")];
    RIGHT = "right", Scalar, "right(string, count) -> string", string_and_integer, Propagates,
        "The last `count` characters; a negative count leaves out so many at the start.",
        [("right('née', 2)", "'ée'"), ("right('abc', -1)", "'bc'"), ("right('abc', 0)", "''")];
    LPAD = "lpad", Scalar, "lpad(string, count, fill) -> string", padded, Propagates,
        "Filled up at the start with the constant `fill` to the constant `count` of characters; longer text is cut at its end.",
        [("lpad('7', 3, '0')", "'007'"), ("lpad('é', 4, 'ab')", "'abaé'"), ("lpad('abcd', 2, '0')", "'ab'")];
    SPLIT_PART = "split_part", Scalar, "split_part(string, separator, n) -> string", substring_by, Propagates,
        "The constant n-th part, counted from 1, of the text cut at each constant separator; empty where there are fewer.",
        [("split_part('a@b.c', '@', 2)", "'b.c'"), ("split_part('a', '-', 2)", "''"), ("split_part('--x', '-', 3)", "'x'")];
    REGEX_MATCH = "regex_match", Scalar, "regex_match(string, pattern) -> boolean", two_strings_to_boolean, Propagates,
        "Some part of the text matches the constant pattern. A pattern is of the syntax of RE2, of which only what every engine reads alike is taken: `\\d`, `\\w` and `\\s` are ASCII, `.` is any character but a line feed, `^` and `$` are the ends of the text.",
        [("regex_match('a1', '[0-9]$')", "true"), ("regex_match('né', '^n.$')", "true"), ("regex_match('', '^$')", "true"), ("regex_match('x٣', '\\d')", "false")];
    REGEX_EXTRACT = "regex_extract", Scalar, "regex_extract(string, pattern[, group]) -> string", two_strings, Propagates,
        "The first part of the text that matches the constant pattern, or what its n-th group took (the whole for 0, or none given); null where nothing matches.",
        [("regex_extract('n° 42, 7', '[0-9]+')", "'42'"), ("regex_extract('a@b.fr', '@([^.]+)', 1)", "'b'"), ("regex_extract('abc', '[0-9]+')", "null")];
    REGEX_REPLACE = "regex_replace", Scalar, "regex_replace(string, pattern, by) -> string", three_strings, Propagates,
        "Every part that matches the constant pattern, from left to right, replaced by the constant text `by`.",
        [("regex_replace('06 12-34', '[^0-9]', '')", "'061234'"), ("regex_replace('aaa', '^a', 'b')", "'baa'")];
    NORMALIZE_EMAIL = "normalize_email", Scalar, "normalize_email(string) -> string", none, Propagates,
        "In lower case and without spaces at both ends; null unless it is then one `@` between two texts without white space.",
        [("normalize_email('  Zoé@Example.FR ')", "'zoé@example.fr'"), ("normalize_email('a b@c')", "null"), ("normalize_email('')", "null")];
    NORMALIZE_PHONE = "normalize_phone", Scalar, "normalize_phone(string, region) -> string", none, Propagates,
        "The number in the form E.164 (`+` and 7 to 15 digits), read as one dials it in the constant region (ISO 3166, such as 'FR'); null if it cannot be one. Only the length is checked.",
        [("normalize_phone('06 12 34 56 78', 'FR')", "'+33612345678'"), ("normalize_phone('+33 (0)6 12 34 56 78', 'FR')", "'+33612345678'"), ("normalize_phone('0044 20 7946 0018', 'FR')", "'+442079460018'"), ("normalize_phone('612-345-678', 'ES')", "'+34612345678'"), ("normalize_phone('none', 'FR')", "null")];
    ROUND = "round", Scalar, "round(number, digits) -> number", rounded, Propagates,
        "Rounded to so many digits behind the point, half away from zero.",
        [("round(2.5, 0)", "3"), ("round(-2.5, 0)", "-3")];
    FLOOR = "floor", Scalar, "floor(number) -> integer", number_to_integer, Propagates,
        "The largest whole number not above it.",
        [("floor(-1.5)", "-2")];
    CEIL = "ceil", Scalar, "ceil(number) -> integer", number_to_integer, Propagates,
        "The smallest whole number not below it.",
        [("ceil(1.2)", "2")];
    ABS = "abs", Scalar, "abs(number) -> number", same_number, Propagates,
        "The number without its sign.",
        [("abs(-2)", "2")];
    SIGN = "sign", Scalar, "sign(number) -> integer", number_to_integer, Propagates,
        "-1, 0 or 1: the sign of the number.",
        [("sign(-2.5)", "-1"), ("sign(0)", "0")];
    POWER = "power", Scalar, "power(number, number) -> float", two_floats, Propagates,
        "The first to the power of the second, as a float; null where that is no number, or beyond e^709.",
        [("power(2, 10)", "1024"), ("power(0, -1)", "null"), ("power(-8, 0.5)", "null"), ("power(10, 400)", "null")];
    LN = "ln", Scalar, "ln(number) -> float", one_float, Propagates,
        "The natural logarithm, as a float; null unless the number is above 0.",
        [("ln(1)", "0"), ("ln(0)", "null")];
    EXP = "exp", Scalar, "exp(number) -> float", one_float, Propagates,
        "e to the power of the number, as a float; null above 709, 0 below -700.",
        [("exp(0)", "1"), ("exp(1000)", "null"), ("exp(-1000)", "0")];
    SQRT = "sqrt", Scalar, "sqrt(number) -> float", one_float, Propagates,
        "The square root, as a float; null below 0.",
        [("sqrt(2.25)", "1.5"), ("sqrt(-1)", "null")];
    GREATEST = "greatest", Scalar, "greatest(a, ...) -> a", common_all, Propagates,
        "The largest of the arguments; null if one is null.",
        [("greatest(1, 3)", "3")];
    LEAST = "least", Scalar, "least(a, ...) -> a", common_all, Propagates,
        "The smallest of the arguments; null if one is null.",
        [("least(1, 3)", "1")];
    DATE_TRUNC = "date_trunc", Scalar, "date_trunc(unit, timestamp or date) -> the same", date_trunc, Propagates,
        "The first instant of the unit: 'day', 'week' (ISO), 'month', 'quarter' or 'year', in the project's time zone.",
        [("date_trunc('month', date '2024-02-29')", "date '2024-02-01'")];
    EXTRACT = "extract", Scalar, "extract(part, timestamp or date) -> integer", extract, Propagates,
        "A part of it, in the project's time zone: 'year', 'quarter', 'month', 'week' (ISO), 'day', 'day_of_week' (1 is Monday), 'day_of_year', 'hour', 'minute' or 'second' (whole).",
        [("extract('year', date '2024-02-29')", "2024"), ("extract('week', date '2021-01-03')", "53"), ("extract('day_of_week', date '2024-03-03')", "7"), ("extract('day_of_year', date '2024-12-31')", "366"), ("extract('second', timestamp '2024-01-01T00:00:59.999999Z')", "59")];
    DAYS_BETWEEN = "days_between", Scalar, "days_between(from, to) -> integer", days_between, Propagates,
        "The calendar days crossed from the first to the second, in the project's time zone; negative if the second is earlier.",
        [("days_between(date '2024-02-28', date '2024-03-01')", "2")];
    DATE_ADD = "date_add", Scalar, "date_add(unit, count, timestamp or date) -> the same", date_add, Propagates,
        "So many units later, or earlier for a negative count: 'minute', 'hour' (of elapsed time, not for days), 'day', 'week', 'month', 'quarter' or 'year' (of the calendar, in the project's time zone). Where the month has no such day, its last one.",
        [("date_add('month', 1, date '2024-01-31')", "date '2024-02-29'"), ("date_add('year', -1, date '2024-02-29')", "date '2023-02-28'"), ("date_add('hour', 2, timestamp '2024-12-31T23:00:00Z')", "timestamp '2025-01-01T01:00:00Z'"), ("date_add('quarter', 1, date '2023-11-30')", "date '2024-02-29'")];
    DATE_DIFF = "date_diff", Scalar, "date_diff(unit, from, to) -> integer", none, Propagates,
        "How many bounds of the unit lie between the two, negative if the second is earlier: 'minute', 'hour' (of UTC, not for days), 'day', 'week' (ISO), 'month', 'quarter' or 'year' (of the calendar, in the project's time zone).",
        [("date_diff('month', date '2024-01-31', date '2024-02-01')", "1"), ("date_diff('week', date '2024-03-03', date '2024-03-04')", "1"), ("date_diff('year', date '2024-01-01', date '2022-12-31')", "-2"), ("date_diff('hour', timestamp '1969-12-31T23:59:59Z', timestamp '1970-01-01T01:00:00Z')", "2")];
    AS_OF = "as_of", Scalar, "as_of() -> timestamp", none, Special,
        "The instant the run is for: the only clock there is.",
        [("as_of() > timestamp '2001-01-01T00:00:00Z'", "true")];
    AGE = "age", Scalar, "age(timestamp or date) -> integer", none, Propagates,
        "The completed years on the day of `as_of`; null for a later day. Who is born on 29 February is a year older on 28 February of a common year.",
        [("age(date_add('year', -18, as_of()))", "18"), ("age(date_add('day', 1, date_add('year', -18, as_of())))", "17"), ("age(date_add('day', 1, as_of()))", "null")];
    BIRTHDAY_WITHIN = "birthday_within", Scalar, "birthday_within(timestamp or date, days) -> boolean", none, Propagates,
        "The next anniversary lies at most so many days (a constant, 0 to 366) after the day of `as_of`, that day included. 29 February counts as 28 February in common years.",
        [("birthday_within(date_add('year', -30, as_of()), 0)", "true"), ("birthday_within(date_add('day', 8, as_of()), 7)", "false"), ("birthday_within(date_add('day', -1, as_of()), 7)", "false")];
    JSON_TEXT = "json_text", Scalar, "json_text(json, path) -> string", json_text, Propagates,
        "The text, the number (in decimal digits, without zeros at the end of a fraction) or true or false at a constant path such as 'a.b[0]', as text; null where there is nothing, null, a list or an object.",
        [("json_text(profile, 'address.city')", "'Paris'"), ("json_text(profile, 'tags[1]')", "'b'"), ("json_text(profile, 'score')", "'1.5'"), ("json_text(profile, 'ok')", "'true'"), ("json_text(profile, 'tags')", "null"), ("json_text(profile, 'tags[9]')", "null")];
    SHA256 = "sha256", Scalar, "sha256(string) -> string", string_to_string, Propagates,
        "The SHA-256 of the UTF-8 bytes, as 64 lower-case hexadecimal digits.",
        [("sha256('a')", "'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'")];
    MD5 = "md5", Scalar, "md5(string) -> string", string_to_string, Propagates,
        "The MD5 of the UTF-8 bytes, as 32 lower-case hexadecimal digits.",
        [("md5('a')", "'0cc175b9c0f1b6a831c399e269772661'")];
    STABLE_HASH = "stable_hash", Scalar, "stable_hash(string) -> integer", string_to_integer, Propagates,
        "The first 32 bits of the MD5 of the UTF-8 bytes as a whole number from 0 to 4294967295: the same for the same text, everywhere and for ever.",
        [("stable_hash('a')", "214005177"), ("stable_hash('')", "3558706393")];
    LONG_HASH = "long_hash", Internal, "long_hash(string) -> integer", string_to_integer, Propagates,
        "The first 60 bits of the MD5 of the UTF-8 bytes as a whole number: the same for the same text, everywhere and for ever.",
        [];
    LEVENSHTEIN = "levenshtein", Internal, "levenshtein(string, string) -> integer", two_texts_to_integer, Propagates,
        "How many characters must be changed, added or taken out to make the one the other, of the first 255 of each.",
        [];
    JARO_WINKLER = "jaro_winkler", Internal, "jaro_winkler(string, string) -> float", two_texts_to_float, Propagates,
        "The similarity of Jaro and Winkler, from 0 to 1 for equal texts.",
        [];
    TEXT = "text", Internal, "text(a) -> string", any_to_string, Propagates,
        "The value as text, one form per value: decimals with their scale, days as YYYY-MM-DD, instants as YYYY-MM-DDTHH:MM:SS.ffffffZ.",
        [];
    LOCAL_TIME = "local_time", Internal, "local_time(timestamp, zone) -> timestamp", local_time, Propagates,
        "What a clock in the zone shows at the instant, as the instant at which a clock in UTC shows it.",
        [];
    INSTANT_OF = "instant_of", Internal, "instant_of(timestamp, zone) -> timestamp", local_time, Propagates,
        "The instant at which a clock in the zone shows what a clock in UTC shows at the given one; of two the earlier; of a time that is skipped, as long after the skip as it is after its beginning.",
        [];
    EPOCH_SECONDS = "epoch_seconds", Internal, "epoch_seconds(timestamp) -> integer", epoch_seconds, Propagates,
        "Whole seconds since 1970-01-01T00:00:00Z, of an instant without a fraction.",
        [];
    EACH = "each", Internal, "each(string, ...) -> string", strings_to_string, Special,
        "One row for each argument, those that are null as a row of null. A column of a result only.",
        [];
    COUNT = "count", Aggregate, "count(event) or count(a) -> integer", counted, Skips,
        "How many rows, or how many values that are not null; 0 where there are none.",
        [("count(purchase)", "3")];
    COUNT_DISTINCT = "count_distinct", Aggregate, "count_distinct(a) -> integer", counted_one, Skips,
        "How many different values; 0 where there are none.",
        [("count_distinct(purchase.channel)", "2")];
    SUM = "sum", Aggregate, "sum(number) -> number", summed, Skips,
        "The sum; null where there are no values.",
        [("sum(purchase.amount)", "120.00")];
    AVG = "avg", Aggregate, "avg(number) -> decimal or float", averaged, Skips,
        "The mean; null where there are no values.",
        [("avg(purchase.amount)", "40.000000")];
    MIN = "min", Aggregate, "min(a) -> a", ordered_one, Skips,
        "The smallest value; text by its bytes.",
        [("min(purchase.at)", "timestamp '2024-01-02T00:00:00Z'")];
    MAX = "max", Aggregate, "max(a) -> a", ordered_one, Skips,
        "The largest value; text by its bytes.",
        [("max(purchase.at)", "timestamp '2024-06-01T00:00:00Z'")];
    FIRST = "first", Aggregate, "first(a) -> a", any_one, Special,
        "The value of the earliest event; null if it is null there. Of events at one instant, the smallest value, nulls last.",
        [("first(purchase.channel)", "'web'")];
    LAST = "last", Aggregate, "last(a) -> a", any_one, Special,
        "The value of the latest event; null if it is null there. Of events at one instant, the smallest value, nulls last.",
        [("last(purchase.channel)", "'shop'")];
    MOST_FREQUENT = "most_frequent", Aggregate, "most_frequent(a) -> a", ordered_one, Skips,
        "The most frequent value; of several, the smallest.",
        [("most_frequent(purchase.category)", "'shoes'")];
    MEDIAN = "median", Aggregate, "median(number) -> float", float_of_number, Skips,
        "The middle value, as a float, or the mean of the two in the middle; null where there are no values.",
        [("median(purchase.amount)", "40.0")];
    PERCENTILE = "percentile", Aggregate, "percentile(number, share) -> float", percentile, Skips,
        "The value below which the constant share, from 0 to 1, of the values lies: in their order as floats, numbered from 0 to n, the one of number `share * n`, in a straight line between its neighbours; null where there are no values.",
        [("percentile(purchase.amount, 0.9)", "95.5")];
    STDDEV = "stddev", Aggregate, "stddev(number) -> float", float_of_number, Skips,
        "The standard deviation of the values as a sample (over n - 1), as a float; null for fewer than two.",
        [("stddev(purchase.amount)", "12.5")];
    NTH = "nth", Aggregate, "nth(a, n) -> a", nth, Special,
        "The value of the constant n-th event in time, from 1; null if it is null there or there are fewer. Of events at one instant, the smallest value first, nulls last.",
        [("nth(purchase.channel, 2)", "'shop'")];
    ARRAY_AGG = "array_agg", Aggregate, "array_agg(a, limit) -> array<a>", collected, Skips,
        "The values in order, from the smallest, at most the constant limit of them (1 to 1000), each as often as it occurs; null where there are none.",
        [("array_agg(purchase.channel, 3)", "['shop', 'web']")];
    EXISTS = "exists", Aggregate, "exists(event) -> boolean", existing, Special,
        "There is at least one such row; never null.",
        [("exists(purchase where channel = 'web')", "true")];
    ROW_NUMBER = "row_number", Window, "row_number() over (order by ...) -> integer", no_arguments_to_integer, Special,
        "The place in the order, from 1; ties are broken by the primary key.",
        [("row_number() over (order by lifetime_value desc)", "1")];
    RANK = "rank", Window, "rank() over (order by ...) -> integer", no_arguments_to_integer, Special,
        "The place in the order, from 1; equals share the smallest place.",
        [("rank() over (order by lifetime_value desc)", "1")];
    PERCENT_RANK = "percent_rank", Window, "percent_rank() over (order by ...) -> float", no_arguments_to_float, Special,
        "How many rows come before, divided by how many others there are: from 0 to 1, the same for equals; 0 for a row alone.",
        [("percent_rank() over (order by lifetime_value desc)", "0.25")];
    NTILE = "ntile", Window, "ntile(n) over (order by ...) -> integer", ntile, Special,
        "The number of the part, from 1 to n, when the rows are cut in order into n parts of equal size, the first ones larger by one; ties are broken by the primary key.",
        [("ntile(10) over (order by lifetime_value desc)", "1")];
}

/// Functions that the checker writes in terms of others: no plan holds them and no dialect maps them.
const DERIVED: &[FunctionId] = &[
    FunctionId::IF,
    FunctionId::NORMALIZE_EMAIL,
    FunctionId::NORMALIZE_PHONE,
    FunctionId::DATE_DIFF,
    FunctionId::AS_OF,
    FunctionId::AGE,
    FunctionId::BIRTHDAY_WITHIN,
];

impl FunctionId {
    /// Whether the checker writes it in terms of other functions: no checked expression holds it, and no dialect
    /// maps it. Its type rule refuses everything.
    pub fn is_derived(self) -> bool {
        DERIVED.contains(&self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_function_is_found_by_its_name_and_explained() {
        for id in FunctionId::all() {
            let function = id.get();
            assert_eq!(FunctionId::named(function.name), Some(id), "{} is there twice", function.name);
            assert!(function.meaning.ends_with('.'), "{}", function.name);
            assert!(function.kind == FunctionKind::Internal || !function.examples.is_empty(), "{}", function.name);
        }
    }
}
