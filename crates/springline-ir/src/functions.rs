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
    CONCAT = "concat", Scalar, "string || string -> string", strings_to_string, Propagates,
        "The two texts one after the other.",
        [("'a' || null", "null")];
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
    GREATEST = "greatest", Scalar, "greatest(a, ...) -> a", common_all, Propagates,
        "The largest of the arguments; null if one is null.",
        [("greatest(1, 3)", "3")];
    LEAST = "least", Scalar, "least(a, ...) -> a", common_all, Propagates,
        "The smallest of the arguments; null if one is null.",
        [("least(1, 3)", "1")];
    DATE_TRUNC = "date_trunc", Scalar, "date_trunc(unit, timestamp or date) -> the same", date_trunc, Propagates,
        "The first instant of the unit: 'day', 'week' (ISO), 'month', 'quarter' or 'year', in UTC.",
        [("date_trunc('month', date '2024-02-29')", "date '2024-02-01'")];
    EXTRACT = "extract", Scalar, "extract(part, timestamp or date) -> integer", extract, Propagates,
        "A part of it: 'year', 'quarter', 'month', 'day' or 'hour', in UTC.",
        [("extract('year', date '2024-02-29')", "2024")];
    DAYS_BETWEEN = "days_between", Scalar, "days_between(from, to) -> integer", days_between, Propagates,
        "The calendar days crossed from the first to the second, in UTC; negative if the second is earlier.",
        [("days_between(date '2024-02-28', date '2024-03-01')", "2")];
    SHA256 = "sha256", Scalar, "sha256(string) -> string", string_to_string, Propagates,
        "The SHA-256 of the UTF-8 bytes, as 64 lower-case hexadecimal digits.",
        [("sha256('a')", "'ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'")];
    MD5 = "md5", Scalar, "md5(string) -> string", string_to_string, Propagates,
        "The MD5 of the UTF-8 bytes, as 32 lower-case hexadecimal digits.",
        [("md5('a')", "'0cc175b9c0f1b6a831c399e269772661'")];
    TEXT = "text", Internal, "text(a) -> string", any_to_string, Propagates,
        "The value as text, one form per value: decimals with their scale, days as YYYY-MM-DD, instants as YYYY-MM-DDTHH:MM:SS.ffffffZ.",
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
    EXISTS = "exists", Aggregate, "exists(event) -> boolean", existing, Special,
        "There is at least one such row; never null.",
        [("exists(purchase where channel = 'web')", "true")];
    ROW_NUMBER = "row_number", Window, "row_number() over (order by ...) -> integer", no_arguments_to_integer, Special,
        "The place in the order, from 1; ties are broken by the primary key.",
        [("row_number() over (order by lifetime_value desc)", "1")];
    RANK = "rank", Window, "rank() over (order by ...) -> integer", no_arguments_to_integer, Special,
        "The place in the order, from 1; equals share the smallest place.",
        [("rank() over (order by lifetime_value desc)", "1")];
    NTILE = "ntile", Window, "ntile(n) over (order by ...) -> integer", ntile, Special,
        "The number of the part, from 1 to n, when the rows are cut in order into n parts of equal size, the first ones larger by one; ties are broken by the primary key.",
        [("ntile(10) over (order by lifetime_value desc)", "1")];
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
