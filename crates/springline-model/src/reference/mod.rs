//! The language described from its own declarations: JSON Schemas for editors, and a page for people.
//! Whoever adds a key or a mapping adds it here too, without doing anything.

mod page;
mod schema;

pub use page::language_page;
pub use schema::schemas;

use crate::syntax::{Decode, ImportDecl, KeyShape, ListsDecl, LockDecl, MappingShape, PackageDecl, ProjectDecl, Shape};

/// A kind of file.
struct FileKind {
    /// Its name in the command line and in the names of schema files.
    name: &'static str,
    title: &'static str,
    /// The mappings whose keys it may have at the top.
    roots: &'static [fn() -> Shape],
}

/// Every kind of file.
const FILES: &[FileKind] = &[
    FileKind { name: "project", title: "springline.yaml", roots: &[ProjectDecl::shape, ListsDecl::shape] },
    FileKind { name: "model", title: "Every other file", roots: &[ListsDecl::shape] },
    FileKind { name: "catalog", title: "catalog.lock.yaml", roots: &[LockDecl::shape] },
    FileKind { name: "package", title: "package.yaml", roots: &[package_file, ListsDecl::shape] },
];

/// What only a package.yaml holds.
fn package_file() -> Shape {
    const FILE: &MappingShape = &MappingShape {
        name: "PackageFileDecl",
        docs: &["What stands in package.yaml besides the lists of every other file."],
        keys: &[
            KeyShape { name: "package", docs: &["The package."], required: true, shape: PackageDecl::shape },
            KeyShape {
                name: "import",
                docs: &["The packages that it builds upon."],
                required: false,
                shape: <Vec<ImportDecl>>::shape,
            },
        ],
        open: false,
    };
    Shape::Mapping(FILE)
}

/// The keys that stand at the top of a kind of file.
fn top_keys(kind: &FileKind) -> Vec<&'static KeyShape> {
    let keys = kind.roots.iter().flat_map(|root| match root() {
        Shape::Mapping(mapping) => mapping.keys,
        _ => &[],
    });
    keys.collect()
}

/// What a mapping is called: its declaration's name as words, such as `field condition`.
fn mapping_name(mapping: &MappingShape) -> String {
    let name = mapping.name.strip_suffix("Decl").unwrap_or(mapping.name);
    let mut words = String::new();
    for c in name.chars() {
        if c.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(c.to_lowercase());
    }
    words
}

/// The lines of a doc comment as one text.
fn docs(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ").trim().to_owned()
}
