//! From `import:` to the trees of the packages, with the values of their parameters in them. Which
//! definition wins where there are several is in `overlay`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::packages::{PACKAGE_FILE, PackageSource, SHIPPED};
use crate::syntax::{
    self, Decode, Filler, ImportDecl, MAX_HEIGHT, Node, NodeKind, PackageDecl, ParameterDecl, Spanned, wrong_shape,
};
use crate::{Code, Diagnostic, FileId, SourceMap, Span};

use super::names::with_suggestion;

/// The most packages of a project, each counted once per set of values.
const MAX_PACKAGES: usize = 100;

/// The tree of a file.
#[derive(Debug)]
pub(super) struct Root {
    /// Whose it is: 0 is the project, the others are packages in the order of their import.
    pub owner: usize,
    /// It is the project's own springline.yaml.
    pub is_project: bool,
    pub node: Node,
}

/// What imports led to.
#[derive(Debug)]
pub(super) struct Imported {
    /// Of each owner, the packages that it imports, and those that they import.
    pub reach: Vec<BTreeSet<usize>>,
    /// Of each package, where it is imported first.
    places: Vec<Span>,
    /// The packages that files belong to.
    owners: HashMap<FileId, usize>,
    /// Everything that was asked for is there.
    pub complete: bool,
}

impl Imported {
    /// Says of what is wrong in a package which import brought it in.
    pub fn tell_origin(&self, diagnostics: &mut [Diagnostic]) {
        for diagnostic in diagnostics {
            let mut file = diagnostic.primary.span.file;
            while let Some(place) = self.owners.get(&file).and_then(|owner| self.places.get(*owner)) {
                diagnostic.secondary.push(crate::Label { span: *place, text: "imported here".to_owned() });
                file = place.file;
            }
        }
    }
}

/// Adds the trees of all packages that the project's file imports.
pub(super) fn import(
    roots: &mut Vec<Root>,
    sources: &mut SourceMap,
    packages: &dyn PackageSource,
    out: &mut Vec<Diagnostic>,
) -> Imported {
    // Whatever is wrong with the list is said when the project's file is decoded.
    let list = roots.iter().find(|root| root.is_project).and_then(|root| root.node.get("import"));
    let imports = list.map_or_else(Vec::new, read_imports);
    let no_place = syntax::file_start(FileId(0));
    let imported =
        Imported { reach: vec![BTreeSet::new()], places: vec![no_place], owners: HashMap::new(), complete: true };
    let mut loader = Loader { sources, packages, out, imported, roots, path: Vec::new(), loaded: HashMap::new() };
    loader.import_all(0, "", &imports);
    loader.imported
}

fn read_imports(list: &Node) -> Vec<ImportDecl> {
    if list.is_null() { Vec::new() } else { Vec::decode(list, &mut Vec::new()).unwrap_or_default() }
}

struct Loader<'a> {
    sources: &'a mut SourceMap,
    packages: &'a dyn PackageSource,
    out: &'a mut Vec<Diagnostic>,
    imported: Imported,
    roots: &'a mut Vec<Root>,
    /// The packages that are being read, each imported by the one before.
    path: Vec<String>,
    /// The packages that were read, by place and values.
    loaded: HashMap<String, usize>,
}

/// What package.yaml and the other files of a package hold.
struct Content {
    package: PackageDecl,
    imports: Option<Node>,
    roots: Vec<Node>,
    /// Every file could be read.
    complete: bool,
}

impl Loader<'_> {
    fn import_all(&mut self, owner: usize, base: &str, imports: &[ImportDecl]) {
        for import in imports {
            match self.import(base, import) {
                Some(package) => {
                    let further = self.imported.reach.get(package).cloned().unwrap_or_default();
                    if let Some(reach) = self.imported.reach.get_mut(owner) {
                        reach.insert(package);
                        reach.extend(further);
                    }
                }
                None => self.imported.complete = false,
            }
        }
    }

    /// Reads a package and those that it imports. `None` if it cannot be, which is reported.
    fn import(&mut self, base: &str, import: &ImportDecl) -> Option<usize> {
        let from = resolve(base, &import.from).map_err(|problem| self.out.push(*problem)).ok()?;
        if let Some(at) = self.path.iter().position(|other| *other == from) {
            let chain: Vec<String> = self.path[at..].iter().chain([&from]).map(|p| format!("`{p}`")).collect();
            let message = format!("packages import one another: {}", chain.join(", then "));
            return self.refuse(import.from.span, message, "remove one of these imports");
        }
        let values: Vec<String> = import
            .with
            .iter()
            .map(|(name, value)| format!("{}={:?}", name.value, value.as_ref().map(|v| values_of(&v.0))))
            .collect();
        let key = format!("{from} {values:?}");
        if let Some(package) = self.loaded.get(&key) {
            return Some(*package);
        }
        if self.imported.places.len() > MAX_PACKAGES {
            let message = format!("more than {MAX_PACKAGES} packages");
            return self.refuse(import.from.span, message, "import fewer");
        }
        let files = match self.packages.files(&from) {
            Ok(files) => files,
            Err(reason) => {
                let problem = Diagnostic::error(Code::InvalidImport, import.from.span, reason);
                let shipped = self.packages.shipped();
                let known = shipped.iter().map(String::as_str);
                self.out.push(with_suggestion(problem, &import.from.value, known, "package"));
                return None;
            }
        };
        let owner = self.imported.places.len();
        self.imported.places.push(import.from.span);
        self.imported.reach.push(BTreeSet::new());
        self.loaded.insert(key, owner);
        let content = self.read(&from, files, owner, import)?;
        let values = self.bind(&from, &content.package, import)?;
        let imports = self.fill(owner, &content, &values);
        self.path.push(from.clone());
        self.import_all(owner, &from, &imports);
        self.path.pop();
        Some(owner)
    }

    fn refuse<T>(&mut self, span: Span, message: String, hint: &str) -> Option<T> {
        self.out.push(Diagnostic::error(Code::InvalidImport, span, message).hint(hint));
        None
    }

    /// Parses the files of a package.
    fn read(&mut self, from: &str, files: Vec<(String, String)>, owner: usize, import: &ImportDecl) -> Option<Content> {
        let shipped = from.starts_with(SHIPPED);
        let (mut package, mut imports, mut roots) = (None, None, Vec::new());
        let (mut found, mut complete) = (false, true);
        for (path, text) in files {
            let shown = if shipped { format!("{from}: {path}") } else { format!("{from}/{path}") };
            let file = self.sources.add(shown, text);
            self.imported.owners.insert(file, owner);
            let problems = self.out.len();
            let Some(root) = syntax::parse(file, self.sources.text(file), self.out) else {
                complete &= self.out.len() == problems;
                continue;
            };
            if path != PACKAGE_FILE {
                roots.push(root);
                continue;
            }
            found = true;
            match root.get("package") {
                Some(node) => package = PackageDecl::decode(node, self.out),
                None => {
                    let message = format!("{PACKAGE_FILE} has no `package`");
                    let hint = "add `package: { name: …, description: … }`";
                    self.out.push(Diagnostic::error(Code::MissingKey, syntax::file_start(file), message).hint(hint));
                }
            }
            imports = root.get("import").filter(|node| !node.is_null()).cloned();
            if let Some(list) = &imports {
                Vec::<ImportDecl>::decode(list, self.out);
            }
            let span = root.span;
            let lists = root.into_entries().into_iter().filter(|(k, _)| !matches!(&*k.value, "package" | "import"));
            roots.insert(0, Node::mapping(lists.collect(), span));
        }
        if !found {
            let message = format!("`{from}` is no package: it has no {PACKAGE_FILE}");
            let hint = "a package is a folder with a package.yaml, such as `package: { name: … }`";
            return self.refuse(import.from.span, message, hint);
        }
        self.imported.complete &= complete;
        Some(Content { package: package?, imports, roots, complete })
    }

    /// The value of every parameter: the import's, or the default.
    fn bind(&mut self, from: &str, package: &PackageDecl, import: &ImportDecl) -> Option<BTreeMap<String, Node>> {
        let no_parameters = Vec::new();
        let parameters = package.parameters.as_ref().map_or(&no_parameters, |entries| &entries.0);
        let mut values = BTreeMap::new();
        let mut complete = true;
        for (name, parameter) in parameters {
            if let Some(ParameterDecl { default: Some(default), .. }) = parameter {
                values.insert(name.value.clone(), default.0.clone());
            }
        }
        for (name, value) in &import.with {
            if !parameters.iter().any(|(parameter, _)| parameter.value == name.value) {
                let message = format!("package `{from}` has no parameter `{}`", name.value);
                let problem = Diagnostic::error(Code::InvalidParameter, name.span, message);
                let known = parameters.iter().map(|(parameter, _)| parameter.value.as_str());
                self.out.push(with_suggestion(problem, &name.value, known, "parameter"));
                complete = false;
                continue;
            }
            // One that cannot be read is reported where the list of imports is decoded.
            let Some(value) = value else { continue };
            let is_list = |node: &Node| matches!(node.kind, NodeKind::Sequence(_));
            match values.get(&name.value).map(is_list) {
                Some(wants_list) if wants_list != is_list(&value.0) => {
                    let wanted = if wants_list { "a list, as the default is" } else { "a single value" };
                    self.out.push(wrong_shape(&value.0, wanted));
                    complete = false;
                }
                _ => {
                    values.insert(name.value.clone(), value.0.clone());
                }
            }
        }
        for (name, parameter) in parameters {
            if !values.contains_key(&name.value) && parameter.is_some() {
                let message = format!("package `{from}` needs a value for `{}`", name.value);
                let hint = format!("write `{{ from: {}, with: {{ {}: … }} }}`", import.from.value, name.value);
                self.out.push(Diagnostic::error(Code::InvalidParameter, import.from.span, message).hint(hint));
                complete = false;
            }
        }
        complete.then_some(values)
    }

    /// Puts the values into the package's trees, which become part of the project, and gives its imports.
    fn fill(&mut self, owner: usize, content: &Content, values: &BTreeMap<String, Node>) -> Vec<ImportDecl> {
        let mut filler = Filler::new(values);
        let imports = content.imports.as_ref().map(|list| filler.fill(list, self.out));
        for root in &content.roots {
            let node = filler.fill(root, self.out);
            if node.height() > MAX_HEIGHT {
                let message = "with the values of its parameters the file nests too deep";
                self.out.push(Diagnostic::error(Code::InvalidParameter, node.span, message).hint("use shorter lists"));
                continue;
            }
            self.roots.push(Root { owner, is_project: false, node });
        }
        let parameters = content.package.parameters.iter().flat_map(|entries| &entries.0);
        // A file that could not be read may have been the one that uses it.
        for (name, _) in parameters.filter(|(name, _)| content.complete && !filler.used.contains(&name.value)) {
            let message = format!("parameter `{}` of the package is not used", name.value);
            let hint = format!("write `{{{{ {} }}}}` where its value belongs, or remove it", name.value);
            self.out.push(Diagnostic::error(Code::InvalidParameter, name.span, message).hint(hint));
        }
        imports.as_ref().map_or_else(Vec::new, read_imports)
    }
}

/// The texts of a value, to tell it from others.
fn values_of(node: &Node) -> Vec<&str> {
    if node.text().is_some() {
        node.text().into_iter().collect()
    } else {
        node.items().iter().flat_map(values_of).collect()
    }
}

/// The package that an import names, seen from the project's folder.
fn resolve(base: &str, from: &Spanned<String>) -> Result<String, Box<Diagnostic>> {
    let text = from.value.as_str();
    let refuse = |message: String, hint: &str| {
        Err(Box::new(Diagnostic::error(Code::InvalidImport, from.span, message).hint(hint)))
    };
    if text.starts_with(SHIPPED) {
        return Ok(text.trim_end_matches('/').to_owned());
    }
    if base.starts_with(SHIPPED) {
        return refuse(format!("`{text}` cannot be imported here"), "import `springline/<name>`");
    }
    if text.starts_with(['/', '\\', '~']) || text.contains(':') || text.contains('\\') {
        let hint = "write the way from the project's folder, with `/`, such as `packages/loyalty`";
        return refuse(format!("`{text}` is no folder of the project"), hint);
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in base.split('/').chain(text.split('/')) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return refuse("a project cannot import itself".to_owned(), "name the folder of a package");
    }
    // A folder of that name must not be taken for what comes with the program.
    let path = parts.join("/");
    Ok(if path.starts_with(SHIPPED) { format!("./{path}") } else { path })
}
