//! What a function is. The table of all functions is in `functions`; how one is written in SQL is in
//! the dialect folders.

use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;

use crate::Type;
use crate::functions::FUNCTIONS;

/// A function or operator of the language: its one meaning, whatever the engine.
#[derive(Debug)]
pub struct Function {
    /// Its name in a dialect folder and, unless it is an operator, in a model.
    pub name: &'static str,
    /// Over what it computes.
    pub kind: FunctionKind,
    /// Its arguments and result, for people.
    pub signature: &'static str,
    /// The type of the result for arguments of these types; `None` refuses them.
    pub result: fn(&[Type]) -> Option<Type>,
    /// What a null argument does.
    pub nulls: NullRule,
    /// What it means, in one line.
    pub meaning: &'static str,
    /// Calls and their results.
    pub examples: &'static [Example],
}

/// A call and its result, both as a model writes them.
#[derive(Debug)]
pub struct Example {
    /// The call.
    pub call: &'static str,
    /// Its result.
    pub result: &'static str,
}

/// Over what a function computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FunctionKind {
    /// The values of one row.
    Scalar,
    /// The rows of a group.
    Aggregate,
    /// The rows around a row.
    Window,
    /// Written by the compiler only; a model cannot name it.
    Internal,
}

/// What a null argument does to the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NullRule {
    /// Any null argument gives null.
    Propagates,
    /// Rows whose argument is null are left out of the aggregate.
    Skips,
    /// As the meaning says.
    Special,
}

/// A reference to an entry of the function table. The constants are in `functions`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FunctionId(pub(crate) u16);

impl FunctionId {
    /// The function of that name, operators and internal ones included.
    pub fn named(name: &str) -> Option<Self> {
        static BY_NAME: LazyLock<HashMap<&'static str, FunctionId>> =
            LazyLock::new(|| FunctionId::all().map(|id| (id.get().name, id)).collect());
        BY_NAME.get(name).copied()
    }

    /// Every function, in the order of the table.
    pub fn all() -> impl Iterator<Item = FunctionId> {
        (0..FUNCTIONS.len()).filter_map(|i| u16::try_from(i).ok()).map(FunctionId)
    }

    /// The function's entry.
    pub fn get(self) -> &'static Function {
        &FUNCTIONS[usize::from(self.0)]
    }

    /// The place of the entry in the table, for tables indexed by function.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Debug for FunctionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.get().name)
    }
}
