"""REDUCE (https://docs.snowflake.com/en/sql-reference/functions/reduce) for lists of one type: the lambda that is printed
becomes a Python function and is called for each value. DuckDB's own cannot do it, because its lists hold one type only.

What is not written here is refused. A comparison with null is null, which no condition takes for true."""

import decimal
import functools
import json

from sqlglot import exp

OPERATORS = {exp.EQ: "==", exp.GT: ">", exp.LT: "<", exp.Add: "+"}


def python(node):
    """An expression of the state and the value as Python."""
    if isinstance(node, exp.Null):
        return "None"
    if isinstance(node, exp.Literal) and not node.is_string:
        return node.this
    if isinstance(node, exp.Identifier):
        return f"_{node.this.lower()}"
    if isinstance(node, exp.Bracket):
        return f"{python(node.this)}[{python(node.expressions[0])}]"
    if isinstance(node, exp.Array):
        return "[" + ", ".join(map(python, node.expressions)) + "]"
    if isinstance(node, exp.And):
        return f"({python(node.this)} and {python(node.expression)})"
    if type(node) in OPERATORS:
        a, b = python(node.this), python(node.expression)
        nulls = " or ".join(f"{side} is None" for side in (a, b) if not side.isdigit()) or "False"
        return f"(None if {nulls} else {a} {OPERATORS[type(node)]} {b})"
    if isinstance(node, exp.Case) and node.this is None:
        default = python(node.args.get("default") or exp.null())
        for branch in reversed(node.args["ifs"]):
            default = f"({python(branch.args['true'])} if {python(branch.this)} else {default})"
        return default
    raise NotImplementedError(f"REDUCE with {node.key}")


def step(lambda_):
    names = ", ".join(python(name) for name in lambda_.expressions)
    return f"lambda {names}: {python(lambda_.this)}"


@functools.cache
def compiled(source):
    return eval(source)


def reduced(values, initial, source, place):
    """One item of the last state, as text. `values` is a list as JSON."""
    if values is None:
        return None
    state, function = compiled(initial), compiled(source)
    for value in json.loads(values, parse_float=decimal.Decimal):
        state = function(state, value)
    item = state[place]
    return item if item is None or isinstance(item, str) else json.dumps(item, default=str).strip('"')
