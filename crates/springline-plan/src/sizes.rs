//! The sizes of segments at the instants of runs, and the instants of which the history knows.

use jiff::Timestamp;
use springline_ir::{Expr, FunctionId, Join, JoinKind, Query, RelExpr, Select, Type};

use crate::build::{column, output};
use crate::intervals::{covers, cte, equal, is_null};
use crate::members::{Position, aggregate, count_where, from_cte, from_table, instant, query};
use crate::state::MembershipTables;

/// The latest instant of which the history knows: of a recorded run, or of a change whose run was cut
/// short before it was recorded.
pub(crate) fn latest(tables: &MembershipTables) -> Query {
    let max = |alias: &str, name: &str| {
        aggregate(FunctionId::MAX, vec![column(alias, name, Type::Timestamp)], Type::Timestamp)
    };
    let of =
        |table, alias: &str, name: &str| Select::new(from_table(table, alias), vec![output("at", max(alias, name))]);
    let instants = springline_ir::Body::UnionAll(vec![
        of(&tables.membership, "m", "entered_at"),
        of(&tables.membership, "m", "exited_at"),
        of(&tables.sizes, "z", "as_of"),
    ]);
    let body = Select::new(from_cte("instants", "i"), vec![output("latest", max("i", "at"))]);
    Query { ctes: vec![cte("instants", instants)], ..query(body) }
}

/// Every instant after `as_of` of which a segment's members are known: `segment`, `at`.
pub(crate) fn later_instants(as_of: Timestamp, tables: &MembershipTables) -> Vec<Select> {
    let of = |table, alias: &str, name: &str| {
        let at = column(alias, name, Type::Timestamp);
        let columns = vec![output("segment", column(alias, "segment", Type::String)), output("at", at.clone())];
        let later = Expr::compare(FunctionId::GT, at, instant(as_of));
        Select { filter: Some(later), ..Select::new(from_table(table, alias), columns) }
    };
    vec![
        of(&tables.sizes, "z", "as_of"),
        of(&tables.membership, "m", "entered_at"),
        of(&tables.membership, "m", "exited_at"),
    ]
}

/// The first of those instants for each segment: `segment`, `at`. The others are in the step `later`.
pub(crate) fn following() -> Select {
    let segment = column("l", "segment", Type::String);
    let first = aggregate(FunctionId::MIN, vec![column("l", "at", Type::Timestamp)], Type::Timestamp);
    Select {
        group_by: vec![segment.clone()],
        ..Select::new(from_cte("later", "l"), vec![output("segment", segment), output("at", first)])
    }
}

/// The sizes at `as_of`, and where runs follow, at the next known instant, whose entries and exits are
/// others now.
pub(crate) fn sizes(as_of: Timestamp, tables: &MembershipTables, position: Position) -> Query {
    let segment = column("m", "segment", Type::String);
    let backfill = position == Position::Backfill;
    let now = instant(as_of);
    let is_in = if backfill { covers("m", now.clone()) } else { is_null(column("m", "exited_at", Type::Timestamp)) };
    let at = |name: &str, at: &RelExpr| count_where(equal(column("m", name, Type::Timestamp), at.clone()));
    let mut columns = vec![
        output("segment", segment.clone()),
        output("members", count_where(is_in)),
        output("entered", at("entered_at", &now)),
        output("exited", at("exited_at", &now)),
    ];
    let mut select = Select::new(from_table(&tables.membership, "m"), Vec::new());
    let mut ctes = Vec::new();
    if backfill {
        let next = column("f", "at", Type::Timestamp);
        ctes.push(cte("later", springline_ir::Body::UnionAll(later_instants(as_of, tables))));
        ctes.push(cte("following", springline_ir::Body::Select(Box::new(following()))));
        let on = equal(column("f", "segment", Type::String), segment.clone());
        select.joins.push(Join { kind: JoinKind::Left, from: from_cte("following", "f"), on });
        columns.push(output("next_at", aggregate(FunctionId::MIN, vec![next.clone()], Type::Timestamp)));
        columns.push(output("next_members", count_where(covers("m", next.clone()))));
        columns.push(output("next_entered", at("entered_at", &next)));
        columns.push(output("next_exited", at("exited_at", &next)));
    } else {
        columns.push(output("next_at", Expr::null(Type::Timestamp)));
    }
    Query { ctes, ..query(Select { columns, group_by: vec![segment], ..select }) }
}
