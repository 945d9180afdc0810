//! The declarations of all files and of what they import; several files at a time. What they declare is
//! checked elsewhere.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::packages::PackageSource;
use crate::syntax::{self, ListsDecl, Node, ProjectDecl};
use crate::{Code, Diagnostic, FileId, LOCK_FILE, SourceMap};

use super::change;
use super::lock::{Known, read_lock};
use super::overlay::overlay;
use super::packages::{self, Imported, Root};

/// The file that makes a folder a project.
const PROJECT_FILE: &str = "springline.yaml";
/// Below so many bytes a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 64 * 1024;

/// The declarations of all files.
pub(super) struct Read {
    pub project: Option<ProjectDecl>,
    pub lists: ListsDecl,
    /// A file could not be read.
    pub incomplete: bool,
    pub lock: Known,
}

/// Reads every file; what is wrong is reported in the order of the files. What the file `change` defines takes the place
/// of what the others define.
pub(super) fn all(
    sources: &mut SourceMap,
    packages: &dyn PackageSource,
    change: Option<FileId>,
    out: &mut Vec<Diagnostic>,
) -> (Read, Imported) {
    let Parsed { mut roots, mut complete, lock } = parse(sources, out);
    let imported = packages::import(&mut roots, sources, packages, out);
    for root in &mut roots {
        let span = root.node.span;
        let node = std::mem::replace(&mut root.node, Node::mapping(Vec::new(), span));
        root.node = syntax::expand(node, &mut complete, out);
    }
    complete &= overlay(&mut roots, &imported.reach, out);
    if let Some(file) = change {
        change::replace_by(&mut roots, file);
    }
    let incomplete = !complete || !imported.complete;
    let mut read = Read { project: None, lists: ListsDecl::empty(), incomplete, lock };
    let threads = threads(sources);
    let decoded = side_by_side(roots, threads, |root| {
        let mut problems = Vec::new();
        let (project, lists) = syntax::read_file(root.node, root.is_project, &mut problems);
        (root.is_project, project, lists, problems)
    });
    let mut first = true;
    for (is_project, project, lists, problems) in decoded {
        if is_project && std::mem::take(&mut first) {
            read.project = project;
        }
        match lists {
            Some(lists) => read.lists.append(lists),
            None => read.incomplete = true,
        }
        out.extend(problems);
    }
    (read, imported)
}

/// The project's own files.
struct Parsed {
    /// Their trees.
    roots: Vec<Root>,
    /// All could be read.
    complete: bool,
    lock: Known,
}

fn parse(sources: &SourceMap, out: &mut Vec<Diagnostic>) -> Parsed {
    let mut parsed = Parsed { roots: Vec::new(), complete: true, lock: Known::Nothing };
    let first = sources.files().find(|(_, path, _)| is_project(path)).map(|(file, ..)| file);
    let files: Vec<(FileId, &str, &str)> = sources.files().collect();
    let trees = side_by_side(files, threads(sources), |(file, path, text)| {
        let mut problems = Vec::new();
        let node = if path == LOCK_FILE { None } else { syntax::parse(file, text, &mut problems) };
        (file, path, text, node, problems)
    });
    for (file, path, text, node, problems) in trees {
        if path == LOCK_FILE {
            parsed.lock = read_lock(file, text, out).map_or(Known::Broken, Known::Lock);
            continue;
        }
        let is_project = is_project(path);
        if let Some(first) = first.filter(|first| is_project && *first != file) {
            let message = format!("a second project: the folder's own is {}", sources.path(first));
            out.push(
                Diagnostic::error(Code::MissingProject, syntax::file_start(file), message)
                    .hint("keep one springline.yaml, in the project's folder itself"),
            );
        }
        parsed.complete &= problems.is_empty() || node.is_some();
        if first == Some(file) && problems.is_empty() && node.is_none() {
            let message = format!("{PROJECT_FILE} is empty");
            let hint = "it needs at least `name`, `version: 1` and `targets`";
            out.push(Diagnostic::error(Code::MissingKey, syntax::file_start(file), message).hint(hint));
        }
        out.extend(problems);
        parsed.roots.extend(node.map(|node| Root { owner: 0, is_project, node }));
    }
    if first.is_none() {
        let message = format!("the folder has no {PROJECT_FILE}");
        let hint = "create one with `name`, `version: 1` and `targets`";
        out.push(Diagnostic::error(Code::MissingProject, syntax::file_start(FileId(0)), message).hint(hint));
    }
    parsed
}

fn is_project(path: &str) -> bool {
    path.rsplit(['/', '\\']).next() == Some(PROJECT_FILE)
}

/// How many threads the files are worth.
pub(super) fn threads(sources: &SourceMap) -> usize {
    let bytes: usize = sources.files().map(|(.., text)| text.len()).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    cores.min(bytes / WORTH_A_THREAD + 1)
}

/// The results of a function of each item, in the order of the items.
pub(super) fn side_by_side<T: Send, R: Send>(items: Vec<T>, threads: usize, each: impl Fn(T) -> R + Sync) -> Vec<R> {
    let threads = threads.min(items.len());
    if threads < 2 {
        return items.into_iter().map(each).collect();
    }
    let items: Vec<Mutex<Option<T>>> = items.into_iter().map(|item| Mutex::new(Some(item))).collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(place) else { break };
            // Each place is handed out once, so that the lock is free and the item there.
            let item = item.lock().ok().and_then(|mut item| item.take());
            done.extend(item.map(|item| (place, each(item))));
        }
        done
    };
    let mut done = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
        let mut done = work();
        for other in others {
            match other.join() {
                Ok(more) => done.extend(more),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        done
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
