//! What each kind of problem means, with an example that gives it and the way to mend it. The texts are
//! the files of `explanations/`; whoever adds a code adds its file.

use include_dir::{Dir, include_dir};

use crate::Code;

static TEXTS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/explanations");

/// The files of the project that the examples are a part of, in the order in which they are best read.
const PROJECT: &[&str] = &["springline.yaml", "sources.yaml", "customer.yaml"];

/// A text about a code, in Markdown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Explanation {
    /// The whole text, without a title.
    pub markdown: &'static str,
    /// What it means: the part before the example.
    pub meaning: &'static str,
    /// The path of the example's file in a project.
    pub path: &'static str,
    /// The example's file.
    pub example: &'static str,
    /// The way to mend it.
    pub mending: &'static str,
}

impl Code {
    /// The code of that name, such as `E0203`; upper and lower case are the same.
    pub fn named(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.id().eq_ignore_ascii_case(name.trim()))
    }

    /// What the code means. `None` if nobody has written that yet, which a test does not let pass.
    pub fn explanation(self) -> Option<Explanation> {
        let markdown = TEXTS.get_file(format!("{}.md", self.id()))?.contents_utf8()?;
        let (meaning, rest) = markdown.split_once("\n## Example\n")?;
        let (path, rest) = rest.split_once("```yaml ")?.1.split_once('\n')?;
        let (example, rest) = rest.split_once("```\n")?;
        let mending = rest.split_once("## How to mend it\n")?.1;
        Some(Explanation { markdown, meaning: meaning.trim(), path, example, mending: mending.trim() })
    }

    /// The files, path and text, of the project that the examples of all explanations are a part of.
    pub fn example_project() -> Vec<(&'static str, &'static str)> {
        let file = |path: &&'static str| Some((*path, TEXTS.get_file(format!("project/{path}"))?.contents_utf8()?));
        PROJECT.iter().filter_map(file).collect()
    }
}
