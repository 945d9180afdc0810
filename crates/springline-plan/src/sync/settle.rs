//! How acknowledgements and refusals get from where the journal is loaded into the ledger, the rejected rows and the
//! record of deliveries. Every statement may run again on the same rows.

use springline_ir::{
    Body, Expr, ExprKind, FunctionId, JoinKind, Literal, Merge, Query, RelExpr, Select, Statement, TableName,
};
use springline_ir::{OrderBy, Type};
use springline_model::Sync;

use super::{HASH, KEY, is_null, join, key_of, same_key, string};
use crate::Context;
use crate::build::{column, output};
use crate::members::{from_table, query};
use crate::records::{deliveries_columns, deliveries_table};
use crate::state::{IN_DOUBT, RECEIPT, StateTables, ledger_columns, outcome_columns, rejected_columns};

/// Takes the acknowledged rows into the ledger: by a merge where the dialect has one, else by writing
/// the ledger anew.
pub(super) fn acknowledge(context: Context<'_>, tables: &StateTables) -> Statement {
    let columns = ledger_columns();
    let names: Vec<String> = columns.iter().map(|c| c.name.clone()).collect();
    if context.capabilities.merge {
        return Statement::Merge(Merge {
            table: tables.ledger.clone(),
            key: vec![KEY.to_owned()],
            columns: names,
            source: tables.outcomes.clone(),
            delete: "removed".to_owned(),
        });
    }
    let take = |alias: &str| columns.iter().map(|c| output(&c.name, column(alias, &c.name, c.ty.clone()))).collect();
    let kept = Select {
        joins: vec![join(JoinKind::Left, from_table(&tables.outcomes, "o"), same_key("l", "o"))],
        filter: Some(is_null(key_of("o"))),
        ..Select::new(from_table(&tables.ledger, "l"), take("l"))
    };
    let removed = column("o", "removed", Type::Boolean);
    let new = Select {
        filter: Some(Expr::call(FunctionId::NOT, vec![removed], Type::Boolean)),
        ..Select::new(from_table(&tables.outcomes, "o"), take("o"))
    };
    let query = Query { ctes: Vec::new(), body: Body::UnionAll(vec![kept, new]) };
    Statement::ReplaceTable { table: tables.ledger.clone(), query }
}

/// The outcomes as the ledger needs them: none that is older than what it knows of its key, for another machine may have
/// delivered since; and a row in doubt keeps what was acknowledged of it.
pub(super) fn reconcile(tables: &StateTables) -> Statement {
    let sent_at = |alias: &str| column(alias, "sent_at", Type::Timestamp);
    let newer = Expr::compare(FunctionId::LE, sent_at("l"), sent_at("o"));
    let value = |name: &str, ty: Type| {
        let new = column("o", name, ty.clone());
        if ![HASH, RECEIPT].contains(&name) {
            return new;
        }
        let known = (not_in_doubt("o"), new);
        let kind = ExprKind::Case { branches: vec![known], otherwise: Some(Box::new(column("l", name, ty.clone()))) };
        Expr { kind, ty }
    };
    let select = Select {
        joins: vec![join(JoinKind::Left, from_table(&tables.ledger, "l"), same_key("o", "l"))],
        filter: Some(Expr::call(FunctionId::OR, vec![is_null(key_of("l")), newer], Type::Boolean)),
        ..Select::new(
            from_table(&tables.outcomes, "o"),
            outcome_columns().into_iter().map(|c| output(&c.name, value(&c.name, c.ty))).collect(),
        )
    };
    Statement::ReplaceTable { table: tables.outcomes.clone(), query: query(select) }
}

/// Whether an outcome is one, and not the mark that there is none.
fn not_in_doubt(alias: &str) -> RelExpr {
    is_null(column(alias, IN_DOUBT, Type::String))
}

/// The refused rows after this run: those refused now, with their earlier attempts counted, and those
/// refused earlier that had no outcome now.
pub(super) fn refuse(tables: &StateTables) -> Query {
    let columns = rejected_columns();
    let now = |name: &str, ty: Type| column("f", name, ty);
    let before = |name: &str, ty: Type| column("r", name, ty);
    let value = |name: &str, ty: &Type| match name {
        "first_seen_at" => before(name, ty.clone()).or_else(now("seen_at", ty.clone())),
        "last_seen_at" => now("seen_at", ty.clone()),
        "attempts" => {
            // A journal that is taken in again is no further attempt.
            let earlier = before(name, ty.clone()).or_else(number(0));
            let is_taken_in =
                Expr::compare(FunctionId::EQ, before("run_id", Type::String), now("run_id", Type::String));
            let kind =
                ExprKind::Case { branches: vec![(is_taken_in, number(0))], otherwise: Some(Box::new(number(1))) };
            Expr::call(FunctionId::ADD, vec![earlier, Expr { kind, ty: Type::Integer }], Type::Integer)
        }
        _ => now(name, ty.clone()),
    };
    let refused = Select {
        joins: vec![join(JoinKind::Left, from_table(&tables.rejected, "r"), same_key("f", "r"))],
        ..Select::new(
            from_table(&tables.refusals, "f"),
            columns.iter().map(|c| output(&c.name, value(&c.name, &c.ty))).collect(),
        )
    };
    let ended = Expr::call(FunctionId::AND, vec![same_key("r", "o"), not_in_doubt("o")], Type::Boolean);
    let kept = Select {
        joins: vec![
            join(JoinKind::Left, from_table(&tables.refusals, "f"), same_key("r", "f")),
            join(JoinKind::Left, from_table(&tables.outcomes, "o"), ended),
        ],
        filter: Expr::all([is_null(key_of("f")), is_null(key_of("o"))]),
        ..Select::new(
            from_table(&tables.rejected, "r"),
            columns.iter().map(|c| output(&c.name, before(&c.name, c.ty.clone()))).collect(),
        )
    };
    Query { ctes: Vec::new(), body: Body::UnionAll(vec![refused, kept]) }
}

fn number(number: i64) -> RelExpr {
    Expr::literal(Literal::Integer(number))
}

/// The refused rows, latest first.
pub(super) fn rejected(table: &TableName) -> Query {
    let columns = rejected_columns().into_iter().map(|c| output(&c.name, column("r", &c.name, c.ty))).collect();
    query(Select {
        order_by: vec![
            OrderBy { expr: column("r", "last_seen_at", Type::Timestamp), descending: true },
            OrderBy { expr: key_of("r"), descending: false },
        ],
        ..Select::new(from_table(table, "r"), columns)
    })
}

/// Writes down which row went where and when, and which was refused; of what is written down already nothing.
pub(super) fn audit(context: Context<'_>, sync: &Sync, tables: &StateTables) -> [Statement; 2] {
    let destination = &context.project.destination(sync.destination).name;
    let removed = column("o", "removed", Type::Boolean);
    let operation = Expr {
        kind: ExprKind::Case {
            branches: vec![(removed, string("delete"))],
            otherwise: Some(Box::new(string("upsert"))),
        },
        ty: Type::String,
    };
    let delivered = [operation, string("delivered"), column("o", "sent_at", Type::Timestamp)];
    let refused = [column("o", "operation", Type::String), string("rejected"), column("o", "seen_at", Type::Timestamp)];
    [(&tables.outcomes, delivered), (&tables.refusals, refused)].map(|(from, [operation, outcome, at])| {
        let mine = |name: &str| column("o", name, Type::String);
        let values =
            [mine("run_id"), string(&sync.name), string(destination), mine(KEY), operation, outcome, mine("_hash"), at];
        let outcomes = (*from == tables.outcomes).then(|| not_in_doubt("o"));
        append_new(context, from, values, outcomes)
    })
}

fn append_new(context: Context<'_>, from: &TableName, values: [RelExpr; 8], which: Option<RelExpr>) -> Statement {
    let table = deliveries_table(context.state_schema);
    let columns = deliveries_columns();
    let same =
        |name: &str, value: &RelExpr| Expr::compare(FunctionId::EQ, column("v", name, Type::String), value.clone());
    let known = Expr::all(["run_id", "sync", "_key"].into_iter().filter_map(|name| {
        let place = columns.iter().position(|c| c.name == name)?;
        Some(same(name, values.get(place)?))
    }));
    let joins = known.map(|on| join(JoinKind::Left, from_table(&table, "v"), on)).into_iter().collect();
    let outputs = columns.iter().zip(values).map(|(c, value)| output(&c.name, value)).collect();
    let filter = Expr::all(which.into_iter().chain([is_null(key_of("v"))]));
    let select = Select { joins, filter, ..Select::new(from_table(from, "o"), outputs) };
    let names = columns.into_iter().map(|c| c.name).collect();
    Statement::Append { table, columns: names, query: query(select) }
}
