//! Which syncs a command is about: by name, or by what they have in common.

use springline_model::{Project, SegmentId, Sync, uses_of_segment};

use crate::failure::Failure;
use crate::sessions::unknown;

/// The word for the syncs that are no longer what they were when they last delivered.
pub(crate) const MODIFIED: &str = "state:modified";

/// The syncs that any of the words chooses, in the order of the project. A word is a name, `tag:…`, `destination:…`,
/// `segment:…`, `segment:…+` for all that depend on the segment, or [`MODIFIED`], which chooses those for which
/// `modified` is true. A word that chooses nothing is an error, except the last: that nothing is modified is no mistake.
pub(crate) fn chosen<'a>(project: &'a Project, words: &[String], modified: &[bool]) -> Result<Vec<&'a Sync>, Failure> {
    let mut taken = vec![false; project.syncs.len()];
    for word in words {
        if word == MODIFIED {
            taken.iter_mut().zip(modified).for_each(|(taken, modified)| *taken |= modified);
            continue;
        }
        let matches = matches(project, word)?;
        if !matches.contains(&true) {
            let hint = "`springline sync status` lists the syncs of the project";
            return Err(Failure::new(format!("`{word}` chooses no sync")).hint(hint));
        }
        taken.iter_mut().zip(matches).for_each(|(taken, matches)| *taken |= matches);
    }
    Ok(project.syncs.iter().zip(taken).filter(|(_, taken)| *taken).map(|(sync, _)| sync).collect())
}

/// For each sync whether the word chooses it.
fn matches(project: &Project, word: &str) -> Result<Vec<bool>, Failure> {
    let by = |choose: &dyn Fn(&Sync) -> bool| project.syncs.iter().map(choose).collect();
    let Some((kind, name)) = word.split_once(':') else {
        let names = project.syncs.iter().map(|s| s.name.as_str());
        if names.clone().all(|name| name != word) {
            return Err(unknown("sync", word, names));
        }
        return Ok(by(&|sync| sync.name == word));
    };
    match kind {
        "tag" => {
            let tags = project.syncs.iter().flat_map(|s| &s.tags).map(String::as_str);
            if tags.clone().all(|tag| tag != name) {
                return Err(unknown("tag", name, tags));
            }
            Ok(by(&|sync| sync.tags.iter().any(|tag| tag == name)))
        }
        "destination" => {
            let names = project.destinations.iter().map(|d| d.name.as_str());
            if names.clone().all(|known| known != name) {
                return Err(unknown("destination", name, names));
            }
            Ok(by(&|sync| project.destination(sync.destination).name == name))
        }
        "segment" => {
            let (name, dependents) = name.strip_suffix('+').map_or((name, false), |name| (name, true));
            let names = project.segments.iter().map(|s| s.name.as_str());
            let place = names.clone().position(|known| known == name).ok_or_else(|| unknown("segment", name, names))?;
            let uses = if dependents { uses_of_segment(project, SegmentId(place)) } else { Vec::new() };
            let depends = |sync: &Sync| uses.iter().any(|u| u.kind == "sync" && u.name == sync.name);
            Ok(by(&|sync| sync.segment == Some(SegmentId(place)) || depends(sync)))
        }
        _ => Err(Failure::new(format!("nothing is chosen by `{kind}:`"))
            .hint("choose by name, `tag:…`, `destination:…`, `segment:…`, `segment:…+` or `state:modified`")),
    }
}
