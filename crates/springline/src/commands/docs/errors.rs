//! A page per code, and their index.

use springline_model::Code;

/// Path and text of each page.
pub(super) fn pages() -> Vec<(String, String)> {
    let mut index = String::from(
        "# Errors and warnings\n\nEvery problem has a code; `springline explain E0203` tells the same on the terminal.\n\n",
    );
    let mut pages = Vec::new();
    for code in Code::ALL {
        let id = code.id();
        index.push_str(&format!("- [{id}]({id}.md): {}\n", code.title()));
        if let Some(explanation) = code.explanation() {
            let text = format!("# {id}: {}\n\n{}", code.title(), explanation.markdown);
            pages.push((format!("errors/{id}.md"), text));
        }
    }
    index.push_str("\n## The project of the examples\n\nThe examples are files of this project.\n");
    for (path, text) in Code::example_project() {
        index.push_str(&format!("\n```yaml {path}\n{text}```\n"));
    }
    pages.insert(0, ("errors/index.md".to_owned(), index));
    pages
}
