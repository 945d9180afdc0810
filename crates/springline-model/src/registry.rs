//! What kinds of engines, destinations and alerts exist, as data that the binary collects from the crates that
//! implement them. The checker needs it to tell a good option, mode or field from a bad one.

use crate::{Mode, Nulls, Removal};

/// Everything that the checker may be told about the outside.
#[derive(Debug, Clone, Default)]
pub struct Registry {
    /// The engines a target may name.
    pub engines: Vec<EngineKind>,
    /// The types a destination may name.
    pub destinations: Vec<DestinationKind>,
    /// The types an alert may name.
    pub alerts: Vec<AlertKind>,
}

/// An engine.
#[derive(Debug, Clone)]
pub struct EngineKind {
    /// The word after `engine:`.
    pub name: String,
    /// What a target of this engine may set besides `engine` and `state_schema`.
    pub options: Vec<OptionKind>,
}

/// A type of destination.
#[derive(Debug, Clone)]
pub struct DestinationKind {
    /// The word after `type:`.
    pub name: String,
    /// What a destination of this type may set besides `name` and `type`.
    pub options: Vec<OptionKind>,
    /// The sync modes it can do.
    pub modes: Vec<Mode>,
    /// The fields a sync may map, or `None` where any name will do.
    pub fields: Option<Vec<String>>,
    /// The fields a sync must map.
    pub required: Vec<String>,
    /// The fields that records are found by: where there are any, a sync maps at least one of them.
    pub identifiers: Vec<String>,
    /// What a removal can mean; the first one is meant where a sync does not choose. Empty where it cannot remove.
    pub removals: Vec<Removal>,
    /// What an empty value can do.
    pub nulls: Vec<Nulls>,
    /// After how many days it forgets a member that is not sent again; `None` where it never does.
    pub members_expire_days: Option<u32>,
}

/// A way to send an alert.
#[derive(Debug, Clone)]
pub struct AlertKind {
    /// The word after `type:`.
    pub name: String,
    /// What an alert of this type may set besides the keys that all alerts have.
    pub options: Vec<OptionKind>,
}

/// An option.
#[derive(Debug, Clone)]
pub struct OptionKind {
    /// Its key.
    pub name: String,
    /// It has no default.
    pub required: bool,
    /// The option that may be given in its place, and not beside it.
    pub or: Option<String>,
    /// Its value is the name of a target of the project.
    pub names_target: bool,
}

impl OptionKind {
    /// An option of any text.
    pub fn new(name: &str, required: bool) -> Self {
        OptionKind { name: name.to_owned(), required, or: None, names_target: false }
    }
}
