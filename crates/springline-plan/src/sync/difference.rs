//! What differs between the desired rows and the ledger of acknowledged ones, and which of that is sent: by the
//! sync's mode, and not while a refusal holds a row back.
//!
//! The two are joined once, into a table of the keys that differ. What is asked of the difference is asked of that table:
//! a second join of all rows would cost more than everything else.

use jiff::{SignedDuration, Timestamp};
use springline_ir::{Body, ColumnRef, Expr, ExprKind, FunctionId, Join, JoinKind, Literal, OrderBy, OutputColumn};
use springline_ir::{Query, RelExpr, Select, Type};
use springline_model::Mode;

use super::RECEIPT as OUR_RECEIPT;
use super::{CHANGE, DESIRED, DesiredColumn, HASH, KEY, REPEAT_OF, SyncOptions};
use super::{count, is_null, join, key_of, same_key, string};
use crate::build::{column, output};
use crate::members::{aggregate, from_table, query};
use crate::state::{IN_DOUBT, IN_DOUBT_REQUEST, RECEIPT, StateTables};

/// Columns of the difference that come from the ledger.
const DOUBT: &str = "_in_doubt";
const DOUBT_REQUEST: &str = "_in_doubt_request";

/// How long a row that was refused for a reason that may pass is left alone: after its first refusal, after its
/// second and so on, in minutes. The last one holds for all further ones.
const BACKOFF: [i64; 5] = [5, 30, 120, 720, 1440];

/// What the queries about a difference are made from.
pub(super) struct Difference<'a> {
    pub(super) tables: &'a StateTables,
    pub(super) fields: &'a [DesiredColumn],
    pub(super) mode: Mode,
    pub(super) options: &'a SyncOptions,
    /// What was acknowledged before this instant is sent again.
    pub(super) refresh_before: Option<Timestamp>,
}

impl Difference<'_> {
    /// Every key that is added, changed, removed, in doubt or due to be refreshed, with its hash and what the ledger has of
    /// it; where all is sent again the others too.
    pub(super) fn table(&self) -> Query {
        let hash = |alias: &str| column(alias, HASH, Type::String);
        let ledger = |name: &str| column("l", name, Type::String);
        let is_removed = is_null(key_of("d"));
        let is_added = is_null(hash("l"));
        let is_changed = Expr::compare(FunctionId::NE, hash("d"), hash("l"));
        let is_in_doubt = is_known(ledger(IN_DOUBT));
        let or = |a: RelExpr, b: RelExpr| Expr::call(FunctionId::OR, vec![a, b], Type::Boolean);
        let differs = or(or(is_removed.clone(), is_added.clone()), or(is_changed.clone(), is_in_doubt.clone()));
        let differs = match self.refresh_before {
            Some(instant) => {
                let instant = Expr::literal(Literal::Timestamp(instant));
                or(differs, Expr::compare(FunctionId::LT, column("l", "sent_at", Type::Timestamp), instant))
            }
            None => differs,
        };
        let change = Expr {
            kind: ExprKind::Case {
                branches: vec![
                    // A row that is only in doubt is not at the destination for certain, and may have to be taken away.
                    (is_removed, string("removed")),
                    (is_added, string("added")),
                    (or(is_changed, is_in_doubt), string("changed")),
                ],
                otherwise: Some(Box::new(string("repeated"))),
            },
            ty: Type::String,
        };
        let columns = vec![
            output(KEY, key_of("d").or_else(key_of("l"))),
            output(CHANGE, change),
            output(HASH, hash("d").or_else(hash("l")).or_else(string(""))),
            output(OUR_RECEIPT, ledger(RECEIPT)),
            output(DOUBT, ledger(IN_DOUBT)),
            output(DOUBT_REQUEST, ledger(IN_DOUBT_REQUEST)),
        ];
        query(Select {
            joins: vec![join(JoinKind::Full, from_table(&self.tables.ledger, "l"), same_key("d", "l"))],
            filter: (!self.options.full_resync).then_some(differs),
            ..Select::new(from_table(&self.tables.desired, "d"), columns)
        })
    }

    fn from(&self) -> springline_ir::From {
        from_table(&self.tables.difference, "c")
    }

    /// The difference, `c`, joined with the refusals of the same change, `r`.
    fn with_refusals(&self, kind: JoinKind, more: Option<RelExpr>, mut select: Select) -> Select {
        let same = |name: &str, other: RelExpr| Expr::compare(FunctionId::EQ, other, column("r", name, Type::String));
        let on = [same_key("c", "r"), same(HASH, column("c", HASH, Type::String)), same("operation", operation())];
        if let Some(on) = Expr::all(on.into_iter().chain(more)) {
            select.joins.push(join(kind, from_table(&self.tables.rejected, "r"), on));
        }
        select
    }

    /// The difference, with the refusals that hold a row back: those of the same change that are final or whose
    /// time has not come. A full resync minds none.
    fn held_back(&self, select: Select) -> Select {
        let holds = if self.options.full_resync {
            Expr::literal(Literal::Boolean(false))
        } else {
            let is_final = Expr::call(FunctionId::NOT, vec![column("r", "retryable", Type::Boolean)], Type::Boolean);
            let last = column("r", "last_seen_at", Type::Timestamp);
            let recent = Expr::compare(FunctionId::GT, last, due_before(self.options.now));
            Expr::call(FunctionId::OR, vec![is_final, recent], Type::Boolean)
        };
        self.with_refusals(JoinKind::Left, Some(holds), select)
    }

    /// How many rows of each change, held back or not, in doubt or not: `_change`, `held`, `in_doubt`, `rows`; and of
    /// [`DESIRED`] all that there are.
    pub(super) fn counts(&self) -> Query {
        let held = is_known(key_of("r"));
        let in_doubt = is_known(column("c", DOUBT, Type::String));
        let change = column("c", CHANGE, Type::String);
        let columns = vec![
            output(CHANGE, change.clone()),
            output("held", held.clone()),
            output(IN_DOUBT, in_doubt.clone()),
            output("rows", count()),
        ];
        let group_by = vec![change, held, in_doubt];
        let differing = self.held_back(Select { group_by, ..Select::new(self.from(), columns) });
        let no = || Expr::literal(Literal::Boolean(false));
        let columns = vec![
            output(CHANGE, string(DESIRED)),
            output("held", no()),
            output(IN_DOUBT, no()),
            output("rows", count()),
        ];
        let desired = Select::new(from_table(&self.tables.desired, "d"), columns);
        Query { ctes: Vec::new(), body: Body::UnionAll(vec![differing, desired]) }
    }

    /// The rows to send that are not in doubt: `_key`, `_change`, `_hash`, `_receipt`, `_repeat_of` (null), the mapped
    /// fields.
    pub(super) fn changes(&self) -> Query {
        self.to_send(is_null(column("c", DOUBT, Type::String)), Expr::null(Type::String), Vec::new())
    }

    /// The rows to send that are in doubt, as [`Difference::changes`] and with the request that has held the same
    /// change; those of one request one after another.
    pub(super) fn doubtful(&self) -> Query {
        let doubt = || column("c", DOUBT, Type::String);
        let of = |name: &str| column("c", name, Type::String);
        let is_same = Expr::compare(FunctionId::EQ, doubt(), change_text(operation(), of(HASH)));
        let repeat_of = Expr {
            kind: ExprKind::Case { branches: vec![(is_same, of(DOUBT_REQUEST))], otherwise: None },
            ty: Type::String,
        };
        let order = [repeat_of.clone(), key_of("c")].map(|expr| OrderBy { expr, descending: false });
        self.to_send(is_known(doubt()), repeat_of, order.into())
    }

    fn to_send(&self, which: RelExpr, repeat_of: RelExpr, order_by: Vec<OrderBy<ColumnRef>>) -> Query {
        let mut columns = ours();
        columns.push(output(OUR_RECEIPT, column("c", OUR_RECEIPT, Type::String)));
        columns.push(output(REPEAT_OF, repeat_of));
        columns.extend(self.mapped());
        let filter = Expr::all(self.is_sent().into_iter().chain([which]));
        let joins = vec![self.with_values()];
        query(self.held_back(Select { joins, filter, order_by, ..Select::new(self.from(), columns) }))
    }

    /// The mapped fields, which stand in the desired rows alone.
    fn with_values(&self) -> Join {
        join(JoinKind::Left, from_table(&self.tables.desired, "d"), same_key("c", "d"))
    }

    fn mapped(&self) -> impl Iterator<Item = OutputColumn> {
        self.fields.iter().map(|field| output(&field.name, column("d", &field.name, field.ty.clone())))
    }

    /// The first rows of one change that would be sent, in the order of the key: `_key`, `_change`, `_hash`, the mapped
    /// fields.
    pub(super) fn sample(&self, change: &str, rows: u64) -> Query {
        let is_it = Expr::compare(FunctionId::EQ, column("c", CHANGE, Type::String), string(change));
        query(self.held_back(Select {
            joins: vec![self.with_values()],
            filter: Expr::all(self.is_sent().into_iter().chain([is_it])),
            order_by: vec![OrderBy { expr: key_of("c"), descending: false }],
            limit: Some(rows),
            ..Select::new(self.from(), ours().into_iter().chain(self.mapped()).collect())
        }))
    }

    /// What tells the rows to send from any others: their number, and two sums of hashes over key, change and
    /// payload: `rows`, `first`, `second`.
    pub(super) fn fingerprint(&self) -> Query {
        let sum = |salt: &str| {
            let of = [KEY, CHANGE, HASH].into_iter().fold(string(salt), |text, name| {
                let next = super::concat(text, string(";"));
                super::concat(next, column("c", name, Type::String))
            });
            let hash = Expr::call(FunctionId::STABLE_HASH, vec![of], Type::Integer);
            aggregate(FunctionId::SUM, vec![hash], Type::Integer)
        };
        let columns = vec![output("rows", count()), output("first", sum("1")), output("second", sum("2"))];
        query(self.held_back(Select { filter: self.is_sent(), ..Select::new(self.from(), columns) }))
    }

    /// The refusals whose change is still to be sent; the others are of rows that have changed since, or that nobody
    /// wants at the destination any more.
    pub(super) fn live_refusals(&self) -> Query {
        let columns = crate::state::rejected_columns();
        let columns = columns.into_iter().map(|c| output(&c.name, column("r", &c.name, c.ty))).collect();
        let filter = Some(is_one_of(column("c", CHANGE, Type::String), sent_changes(self.mode)));
        query(self.with_refusals(JoinKind::Inner, None, Select { filter, ..Select::new(self.from(), columns) }))
    }

    fn is_sent(&self) -> Option<RelExpr> {
        Expr::all([is_one_of(column("c", CHANGE, Type::String), sent_changes(self.mode)), is_null(key_of("r"))])
    }
}

fn ours() -> Vec<OutputColumn> {
    [KEY, CHANGE, HASH].map(|name| output(name, column("c", name, Type::String))).into()
}

fn is_known(expr: RelExpr) -> RelExpr {
    Expr::call(FunctionId::IS_NOT_NULL, vec![expr], Type::Boolean)
}

/// A change as the ledger keeps one that is in doubt.
fn change_text(operation: RelExpr, hash: RelExpr) -> RelExpr {
    super::concat(super::concat(operation, string(":")), hash)
}

fn is_one_of(value: RelExpr, words: &[&str]) -> RelExpr {
    let words = words.iter().map(|word| string(word));
    Expr::call(FunctionId::IN, std::iter::once(value).chain(words).collect(), Type::Boolean)
}

/// What the destination is asked for by a change.
fn operation() -> RelExpr {
    let removed = Expr::compare(FunctionId::EQ, column("c", CHANGE, Type::String), string("removed"));
    Expr {
        kind: ExprKind::Case {
            branches: vec![(removed, string("delete"))],
            otherwise: Some(Box::new(string("upsert"))),
        },
        ty: Type::String,
    }
}

/// A row that was refused for the last time before this instant is due again.
fn due_before(now: Timestamp) -> RelExpr {
    let before = |minutes: i64| {
        let at = now.checked_sub(SignedDuration::from_mins(minutes)).unwrap_or(Timestamp::MIN);
        Expr::literal(Literal::Timestamp(at))
    };
    let [waits @ .., last] = BACKOFF;
    let attempts = || column("r", "attempts", Type::Integer);
    let branches = waits.iter().zip(1..).map(|(minutes, attempt)| {
        (Expr::compare(FunctionId::LE, attempts(), Expr::literal(Literal::Integer(attempt))), before(*minutes))
    });
    Expr {
        kind: ExprKind::Case { branches: branches.collect(), otherwise: Some(Box::new(before(last))) },
        ty: Type::Timestamp,
    }
}

/// Which changes a mode sends. `repeated` are the acknowledged rows that a full resync sends again.
pub(crate) fn sent_changes(mode: Mode) -> &'static [&'static str] {
    match mode {
        Mode::Mirror => &["added", "changed", "removed", "repeated"],
        Mode::Upsert | Mode::Update | Mode::Append => &["added", "changed", "repeated"],
        // What was created is never touched again, so there is nothing to repeat.
        Mode::Insert => &["added"],
    }
}
