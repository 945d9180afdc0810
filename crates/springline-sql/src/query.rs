//! Queries as text: steps, SELECT, FROM, joins, conditions, order. One column a line, one condition a line.

use springline_ir::{
    Body, ColumnRef, Cte, ExprKind, From, FunctionId, Join, JoinKind, OrderBy, OutputColumn, Query, Relation, Select,
    TableName,
};

use crate::error::PrintError;
use crate::expression::Printer;
use crate::template::Level;

impl Printer<'_> {
    pub(crate) fn query(&mut self, query: &Query) -> Result<(), PrintError> {
        for (i, cte) in query.ctes.iter().enumerate() {
            self.out.push_str(if i == 0 { "WITH" } else { "," });
            self.newline();
            self.cte(cte)?;
        }
        if !query.ctes.is_empty() {
            self.newline();
        }
        self.body(&query.body)
    }

    pub(crate) fn table(&mut self, table: &TableName) -> Result<(), PrintError> {
        if table.parts.is_empty() {
            return Err(PrintError::Empty("the name of a table"));
        }
        for (i, part) in table.parts.iter().enumerate() {
            if i > 0 {
                self.out.push('.');
            }
            self.identifier(part)?;
        }
        Ok(())
    }

    fn cte(&mut self, cte: &Cte) -> Result<(), PrintError> {
        if let Some(comment) = &cte.comment {
            self.out.push_str("-- ");
            self.out.extend(comment.chars().map(|c| if ends_line(c) { ' ' } else { c }));
            self.newline();
        }
        self.identifier(&cte.name)?;
        self.out.push_str(" AS (");
        self.indent += 1;
        self.newline();
        self.body(&cte.body)?;
        self.indent -= 1;
        self.newline();
        self.out.push(')');
        Ok(())
    }

    fn body(&mut self, body: &Body) -> Result<(), PrintError> {
        let selects = match body {
            Body::Select(select) => return self.select(select),
            Body::UnionAll(selects) if selects.is_empty() => return Err(PrintError::Empty("a union")),
            Body::UnionAll(selects) => selects,
        };
        for (i, select) in selects.iter().enumerate() {
            if i > 0 {
                self.newline();
                self.out.push_str("UNION ALL");
                self.newline();
            }
            // An order or a limit without parentheses would be that of the whole union.
            let own_end = selects.len() > 1 && (!select.order_by.is_empty() || select.limit.is_some());
            if own_end {
                self.out.push('(');
            }
            self.select(select)?;
            if own_end {
                self.out.push(')');
            }
        }
        Ok(())
    }

    fn select(&mut self, select: &Select) -> Result<(), PrintError> {
        self.out.push_str(if select.distinct { "SELECT DISTINCT" } else { "SELECT" });
        self.columns(&select.columns)?;
        self.clause("FROM ");
        self.from(&select.from)?;
        select.joins.iter().try_for_each(|join| self.join(join))?;
        self.each_join(&select.columns)?;
        if let Some(filter) = &select.filter {
            self.clause("WHERE ");
            self.conditions(filter)?;
        }
        if !select.group_by.is_empty() {
            self.clause("GROUP BY ");
            self.separated(&select.group_by, |printer, key| printer.group_key(key))?;
        }
        if let Some(having) = &select.having {
            self.clause("HAVING ");
            self.conditions(having)?;
        }
        self.order_clause(&select.order_by)?;
        if let Some(limit) = select.limit {
            self.clause("LIMIT ");
            self.out.push_str(&limit.to_string());
        }
        Ok(())
    }

    /// A constant orders nothing, and a bare one would be taken as the number of a column.
    fn order_clause(&mut self, order_by: &[OrderBy<ColumnRef>]) -> Result<(), PrintError> {
        let constant = |term: &&OrderBy<ColumnRef>| matches!(term.expr.kind, ExprKind::Literal(_));
        let terms: Vec<OrderBy<ColumnRef>> = order_by.iter().filter(|term| !constant(term)).cloned().collect();
        if terms.is_empty() {
            return Ok(());
        }
        self.clause("ORDER BY ");
        self.order(&terms)
    }

    fn columns(&mut self, columns: &[OutputColumn]) -> Result<(), PrintError> {
        if columns.is_empty() {
            return Err(PrintError::Empty("the list of columns"));
        }
        self.indent += 1;
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.newline();
            self.expr(&column.expr, Level::Or)?;
            let renamed = !matches!(&column.expr.kind, ExprKind::Leaf(leaf) if leaf.column == column.name);
            if renamed || self.dialect.alias_columns {
                self.out.push_str(" AS ");
                self.identifier(&column.name)?;
            }
        }
        self.indent -= 1;
        Ok(())
    }

    fn from(&mut self, from: &From) -> Result<(), PrintError> {
        let name = match &from.relation {
            Relation::Table(table) => {
                self.table(table)?;
                None
            }
            Relation::Cte(name) => {
                self.identifier(name)?;
                Some(name)
            }
        };
        if name == Some(&from.alias) {
            return Ok(());
        }
        self.out.push_str(" AS ");
        self.identifier(&from.alias)
    }

    fn join(&mut self, join: &Join) -> Result<(), PrintError> {
        self.clause(match join.kind {
            JoinKind::Inner => "INNER JOIN ",
            JoinKind::Left => "LEFT JOIN ",
            JoinKind::Full => "FULL JOIN ",
        });
        self.from(&join.from)?;
        self.out.push_str(" ON ");
        self.expr(&join.on, Level::Or)
    }

    /// What makes several rows of one in FROM, where `each` is not enough.
    fn each_join(&mut self, columns: &[OutputColumn]) -> Result<(), PrintError> {
        let Some(mapping) = &self.dialect.each_join else { return Ok(()) };
        for column in columns {
            if let ExprKind::Call { function: FunctionId::EACH, args } = &column.expr.kind {
                self.newline();
                self.mapped("each", args, &column.expr.ty, mapping)?;
            }
        }
        Ok(())
    }

    fn clause(&mut self, word: &str) {
        self.newline();
        self.out.push_str(word);
    }
}

/// Whether a reader of SQL may take the character as the end of a line, hence of a comment.
fn ends_line(character: char) -> bool {
    character.is_control() || matches!(character, '\u{2028}' | '\u{2029}')
}
