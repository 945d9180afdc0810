//! Packages as others see them: where their files come from, and what a package says of itself. How
//! one becomes part of a project is in `check`.

use crate::syntax::{self, Decode, Node, NodeKind, PackageDecl};
use crate::{Diagnostic, FileId};

/// The file that makes a folder a package.
pub const PACKAGE_FILE: &str = "package.yaml";
/// What the names of the packages begin with that come with the program.
pub const SHIPPED: &str = "springline/";

/// Gives the files of packages. This crate reads none itself.
pub trait PackageSource {
    /// The YAML files of a package, as path within the package and text, in an order that is the same on
    /// every machine. `from` is `springline/<name>`, or a folder seen from the project's.
    ///
    /// # Errors
    /// Why there are none, in one line without a full stop.
    fn files(&self, from: &str) -> Result<Vec<(String, String)>, String>;

    /// The packages that come with the program, to suggest one.
    fn shipped(&self) -> Vec<String>;
}

/// No package is there.
#[derive(Debug, Clone, Copy)]
pub struct NoPackages;

impl PackageSource for NoPackages {
    fn files(&self, from: &str) -> Result<Vec<(String, String)>, String> {
        Err(format!("there is no package `{from}`"))
    }

    fn shipped(&self) -> Vec<String> {
        Vec::new()
    }
}

/// What a package says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// What it is for.
    pub description: Option<String>,
    /// What a project may set, in the order of the file.
    pub parameters: Vec<Parameter>,
}

/// What a project may set of a package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// What it is.
    pub description: Option<String>,
    /// Its value where a project sets none, as it is written; `None` where a project must set it.
    pub default: Option<String>,
}

impl Package {
    /// Reads the text of a package.yaml.
    ///
    /// # Errors
    /// What is wrong with it; the places are in file 0.
    pub fn read(text: &str) -> Result<Package, Vec<Diagnostic>> {
        let mut out = Vec::new();
        let decl = syntax::parse(FileId(0), text, &mut out)
            .and_then(|root| root.get("package").and_then(|node| PackageDecl::decode(node, &mut out)));
        match decl {
            Some(decl) if out.is_empty() => Ok(describe(decl)),
            _ => Err(out),
        }
    }
}

fn describe(decl: PackageDecl) -> Package {
    let parameters = decl.parameters.into_iter().flat_map(|entries| entries.0).map(|(name, parameter)| Parameter {
        name: name.value,
        description: parameter.as_ref().and_then(|p| p.description.as_ref()).map(|d| d.value.clone()),
        default: parameter.and_then(|p| p.default).map(|default| written(&default.0)),
    });
    Package { parameters: parameters.collect(), name: decl.name.value, description: decl.description.map(|d| d.value) }
}

/// A value as it may be written in YAML.
fn written(node: &Node) -> String {
    match &node.kind {
        NodeKind::Scalar(scalar) => scalar.text.clone(),
        _ => format!("[{}]", node.items().iter().map(written).collect::<Vec<_>>().join(", ")),
    }
}
