//! What is wrong with a project, where, and how to mend it. How it is shown is the binary's matter.

use crate::Span;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// The project cannot be compiled.
    Error,
    /// The project compiles, but probably not to what was meant.
    Warning,
}

impl Severity {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// A place and what is to be said about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub span: Span,
    /// A few words, without a full stop; may be empty.
    pub text: String,
}

/// One problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Which kind of problem.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, in one line without a full stop.
    pub message: String,
    /// Where.
    pub primary: Label,
    /// Further places that explain it.
    pub secondary: Vec<Label>,
    /// How to mend it.
    pub hint: Option<String>,
}

impl Diagnostic {
    /// An error at a place.
    pub fn error(code: Code, span: Span, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: Label { span, text: String::new() },
            secondary: Vec::new(),
            hint: None,
        }
    }

    /// A warning at a place.
    pub fn warning(code: Code, span: Span, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, span, message) }
    }

    /// The same with a few words at the place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.primary.text = text.into();
        self
    }

    /// The same with a further place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.secondary.push(Label { span, text: text.into() });
        self
    }

    /// The same with a way to mend it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

macro_rules! codes {
    ($($id:ident = $code:literal, $title:literal;)*) => {
        /// A kind of problem. `E01..` are of the files' form, `E02..` of names and types, `E03..` of the
        /// catalog lock, `E04..` of tests.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $(#[doc = $title] $id),* }

        impl Code {
            /// Every code, in order.
            pub const ALL: &'static [Code] = &[$(Code::$id),*];

            /// The code as it is shown.
            pub fn id(self) -> &'static str {
                match self { $(Code::$id => $code),* }
            }

            /// What the code means, in a few words.
            pub fn title(self) -> &'static str {
                match self { $(Code::$id => $title),* }
            }
        }
    };
}

codes! {
    InvalidYaml = "E0101", "The file is not well-formed YAML.";
    UnknownKey = "E0102", "A key that the language does not have.";
    MissingKey = "E0103", "A key that must be there is not.";
    WrongShape = "E0104", "A value of another shape than the key takes: text, number, list or mapping.";
    InvalidValue = "E0105", "A value of the right shape that the key does not take.";
    DuplicateKey = "E0106", "The same key twice in one mapping.";
    DuplicateName = "E0107", "Two things that share their names have the same one.";
    InvalidTemplate = "E0108", "A `{{ … }}` that cannot be read, or calls something other than env() and file().";
    MissingProject = "E0109", "The folder has no springline.yaml, or more than one project.";
    InvalidImport = "E0120", "An import that cannot be: no such package, or packages that import one another.";
    InvalidParameter = "E0121", "A parameter that is not there, has no value or is not used.";
    UnknownName = "E0201", "A name that nothing in the project has.";
    InvalidExpression = "E0202", "An expression that cannot be read, or uses SQL that the language does not have.";
    TypeMismatch = "E0203", "Two types that do not go together.";
    FanOut = "E0204", "A value of many rows outside an aggregate.";
    MisplacedAggregate = "E0205", "An aggregate where none can be: without an event, inside another, or over a single row.";
    Cycle = "E0206", "Definitions that need one another.";
    UnknownFunction = "E0207", "A function that the language does not have.";
    InvalidArguments = "E0208", "A function with arguments that it does not take.";
    InvalidWindow = "E0209", "A window of time that cannot be: no amount, no unit, or over something without time.";
    WrongEntity = "E0210", "A segment or field of another entity.";
    UnsupportedMode = "E0211", "A sync mode or field that the destination does not have.";
    MisplacedWindow = "E0212", "A window function where none can be.";
    LongChain = "E0214", "Too many definitions, each upon the one before.";
    InvalidSchedule = "E0215", "A schedule that cannot be read, or is never due.";
    InvalidIdentity = "E0216", "An identity whose parts do not fit together.";
    NotInCatalog = "E0301", "A source without columns, or a column without a type, and no catalog lock to take them from.";
    UnknownTable = "E0302", "A table that the catalog lock does not have.";
    UnknownColumn = "E0303", "A column that its table does not have according to the catalog lock.";
    CatalogType = "E0304", "A column that is of another type according to the catalog lock.";
    InvalidTest = "E0401", "A test that does not say one thing to check.";
}
