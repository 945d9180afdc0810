//! What can be wrong with a dialect folder, and with a statement that is to be printed in a dialect.
//!
//! No message holds the value of a literal: it may be somebody's address.

use std::fmt;

/// Why a dialect folder was refused: everything that is wrong with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DialectError {
    /// The dialect that was asked for.
    pub dialect: String,
    /// The problems, each with its file and entry; at least one.
    pub problems: Vec<String>,
}

impl DialectError {
    pub(crate) fn one(dialect: &str, problem: impl Into<String>) -> Self {
        DialectError { dialect: dialect.to_owned(), problems: vec![problem.into()] }
    }
}

impl fmt::Display for DialectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the dialect `{}` cannot be used", self.dialect)?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for DialectError {}

/// Why a statement cannot be printed in a dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PrintError {
    /// The dialect says that it lacks the function for these types.
    #[error("the dialect `{dialect}` has no `{function}` of ({types}): {reason}")]
    Unsupported {
        /// The dialect.
        dialect: String,
        /// The function, by its name in the function table, or `try_cast`.
        function: String,
        /// The types of the arguments.
        types: String,
        /// The dialect's reason.
        reason: String,
    },
    /// A value is given in other dialects' own SQL only.
    #[error(
        "a field is given in the SQL of {given} only: add its `sql` for `{dialect}`, or write it as `expr`, which every \
         dialect understands"
    )]
    NoNativeForm {
        /// The dialect.
        dialect: String,
        /// Those that it is given for.
        given: String,
    },
    /// The dialect's template wants an argument that the call does not have.
    #[error(
        "`{function}` is called with {given} arguments, but its template in the dialect `{dialect}` uses `{variable}`"
    )]
    Argument {
        /// The dialect.
        dialect: String,
        /// The function.
        function: String,
        /// The variable of the template.
        variable: &'static str,
        /// How many arguments the call has.
        given: usize,
    },
    /// A name is longer than the dialect allows; most engines would cut it silently.
    #[error(
        "the name `{identifier}` is {bytes} bytes long; the dialect `{dialect}` allows {max_bytes}. \
         hint: choose a shorter name in the model"
    )]
    IdentifierTooLong {
        /// The dialect.
        dialect: String,
        /// The name.
        identifier: String,
        /// Its length in UTF-8.
        bytes: usize,
        /// The longest length.
        max_bytes: usize,
    },
    /// A name or a text holds a character that the dialect has no way to write.
    #[error("{what} holds the character U+{:04X}, which the dialect `{dialect}` cannot hold", *character as u32)]
    Character {
        /// The dialect.
        dialect: String,
        /// `a name` or `a text`.
        what: &'static str,
        /// The character.
        character: char,
    },
    /// A day or an instant before the year 1.
    #[error("the year {year} of a date is before the year 1, which engines write differently or not at all")]
    Year {
        /// The year.
        year: i16,
    },
    /// The dialect has no template for the statement.
    #[error("the dialect `{dialect}` has no template `{statement}.sql.j2`")]
    Statement {
        /// The dialect.
        dialect: String,
        /// The statement's name.
        statement: &'static str,
    },
    /// The template of a statement failed.
    #[error("the template `{statement}.sql.j2` of the dialect `{dialect}` failed: {reason}")]
    Shell {
        /// The dialect.
        dialect: String,
        /// The statement's name.
        statement: &'static str,
        /// What the template engine says.
        reason: String,
    },
    /// An expression is nested beyond what is printed without danger to the stack.
    #[error("an expression is nested more than {limit} levels deep. hint: name a part of it as a field")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// A part of a statement that may not be empty is.
    #[error("{0} is empty, so the statement cannot be printed")]
    Empty(&'static str),
}
