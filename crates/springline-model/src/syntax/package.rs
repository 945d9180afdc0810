//! What is written to import a package, and what a package says of itself. It knows nothing of where
//! packages come from: that is `check::packages`.

use crate::Diagnostic;

use super::decl::decl;
use super::decode::{Decode, Entries, Shape, wrong_shape};
use super::node::{Node, NodeKind, Spanned};

decl! {
    /// What package.yaml says of its package.
    PackageDecl {
        /// The package's name.
        name: Spanned<String>,
        /// What it is for.
        description: Option<Spanned<String>>,
        /// What a project may set, by name; written as `{{ name }}` in the texts of the package.
        parameters: Option<Entries<ParameterDecl>>,
    }

    /// What a project may set of a package.
    ParameterDecl {
        /// What it is.
        description: Option<Spanned<String>>,
        /// Its value where a project sets none; without one a project must set it.
        default: Option<Argument>,
    }

    /// An import with values for the package's parameters.
    ImportWithDecl {
        /// The package: `springline/<name>`, or a folder seen from the one that imports it.
        from: Spanned<String>,
        /// The values of the package's parameters, by name.
        with: Option<Entries<Argument>>,
    }
}

/// An import: the package alone, or with values for its parameters.
#[derive(Debug, Clone)]
pub(crate) struct ImportDecl {
    pub from: Spanned<String>,
    pub with: Vec<(Spanned<String>, Option<Argument>)>,
}

impl Decode for ImportDecl {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        match &node.kind {
            NodeKind::Mapping(_) => {
                let ImportWithDecl { from, with } = ImportWithDecl::decode(node, out)?;
                Some(ImportDecl { from, with: with.map_or_else(Vec::new, |with| with.0) })
            }
            NodeKind::Scalar(scalar) if !scalar.is_null() => {
                let from = Spanned { value: scalar.text.clone(), span: node.span };
                Some(ImportDecl { from, with: Vec::new() })
            }
            _ => {
                let hint = "write `- springline/<name>`, or `- { from: springline/<name>, with: { … } }`";
                out.push(wrong_shape(node, "a package").hint(hint));
                None
            }
        }
    }

    fn shape() -> Shape {
        Shape::Either(<Spanned<String>>::shape, ImportWithDecl::shape)
    }
}

/// The value of a parameter: a single value, or a list of them. It is data until it stands in a text.
#[derive(Debug, Clone)]
pub(crate) struct Argument(pub Node);

impl Decode for Argument {
    fn decode(node: &Node, out: &mut Vec<Diagnostic>) -> Option<Self> {
        let single = |node: &Node| node.text().is_some();
        if single(node) || (matches!(node.kind, NodeKind::Sequence(_)) && node.items().iter().all(single)) {
            return Some(Argument(node.clone()));
        }
        out.push(wrong_shape(node, "a single value or a list of them"));
        None
    }

    fn shape() -> Shape {
        Shape::Either(|| Shape::Value, || Shape::List(|| Shape::Value))
    }
}

/// The lists of values that a declaration is made for, each combination once. `template::expand` has
/// replaced a declaration with `for_each` before it is decoded: this is its shape.
#[derive(Debug, Clone)]
pub(crate) struct ForEachDecl;

impl Decode for ForEachDecl {
    fn decode(_: &Node, _: &mut Vec<Diagnostic>) -> Option<Self> {
        Some(ForEachDecl)
    }

    fn shape() -> Shape {
        // In a package a list may be a parameter.
        Shape::Entries(|| Shape::Either(|| Shape::List(|| Shape::Value), || Shape::Text))
    }
}
