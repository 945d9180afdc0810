//! The declarations of all files, several files at a time. What they declare is checked elsewhere.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::syntax::{self, ListsDecl, ProjectDecl};
use crate::{Code, Diagnostic, FileId, SourceMap};

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
}

/// What one file says.
struct OneFile {
    project: Option<ProjectDecl>,
    lists: Option<ListsDecl>,
    /// Nothing, or not YAML.
    unreadable: bool,
    problems: Vec<Diagnostic>,
}

/// Reads every file; what is wrong is reported in the order of the files.
pub(super) fn all(sources: &SourceMap, out: &mut Vec<Diagnostic>) -> Read {
    let mut read = Read { project: None, lists: ListsDecl::empty(), incomplete: false };
    let first = sources.files().find(|(_, path, _)| is_project(path)).map(|(file, ..)| file);
    for one in files(sources, first) {
        read.project = read.project.or(one.project);
        read.incomplete |= one.unreadable && !one.problems.is_empty();
        match one.lists {
            Some(lists) => read.lists.append(lists),
            None => read.incomplete |= !one.unreadable,
        }
        out.extend(one.problems);
    }
    if first.is_none() {
        let message = format!("the folder has no {PROJECT_FILE}");
        let hint = "create one with `name`, `version: 1` and `targets`";
        out.push(Diagnostic::error(Code::MissingProject, syntax::file_start(FileId(0)), message).hint(hint));
    }
    read
}

fn is_project(path: &str) -> bool {
    path.rsplit(['/', '\\']).next() == Some(PROJECT_FILE)
}

/// What each file says, in the order of the files.
fn files(sources: &SourceMap, first: Option<FileId>) -> Vec<OneFile> {
    let files: Vec<(FileId, &str, &str)> = sources.files().collect();
    let bytes: usize = files.iter().map(|(.., text)| text.len()).sum();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = cores.min(files.len()).min(bytes / WORTH_A_THREAD + 1);
    let one = |(file, path, text): (FileId, &str, &str)| one_file(sources, file, path, text, first);
    if threads < 2 {
        return files.into_iter().map(one).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some((i, file)) = Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|i| Some((i, *files.get(i)?))) {
            done.push((i, one(file)));
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
    done.sort_by_key(|(i, _)| *i);
    done.into_iter().map(|(_, one)| one).collect()
}

fn one_file(sources: &SourceMap, file: FileId, path: &str, text: &str, first: Option<FileId>) -> OneFile {
    let mut problems = Vec::new();
    let is_project = is_project(path);
    if let Some(first) = first.filter(|first| is_project && *first != file) {
        let message = format!("a second project: the folder's own is {}", sources.path(first));
        problems.push(
            Diagnostic::error(Code::MissingProject, syntax::file_start(file), message)
                .hint("keep one springline.yaml, in the project's folder itself"),
        );
    }
    let before = problems.len();
    let Some(node) = syntax::parse(file, text, &mut problems) else {
        if first == Some(file) && problems.len() == before {
            let message = format!("{PROJECT_FILE} is empty");
            let hint = "it needs at least `name`, `version: 1` and `targets`";
            problems.push(Diagnostic::error(Code::MissingKey, syntax::file_start(file), message).hint(hint));
        }
        return OneFile { project: None, lists: None, unreadable: true, problems };
    };
    let (project, lists) = syntax::read_file(node, is_project, &mut problems);
    let project = project.filter(|_| first == Some(file));
    OneFile { project, lists, unreadable: false, problems }
}
