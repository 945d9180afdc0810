//! The reference page of the language.

use crate::syntax::{KeyShape, MappingShape, Shape, condition_shapes};

use super::{FILES, docs, mapping_name, top_keys};

/// Every kind of file, every mapping and every key, in Markdown.
pub fn language_page() -> String {
    let mut page = Page { text: String::new(), mappings: Vec::new(), conditions: false };
    page.text.push_str(
        "# The language\n\nA project is a folder with a `springline.yaml` and any number of other YAML files, in folders of \
         any name. The keys that every file may have can be spread over them as it suits.\n",
    );
    for kind in FILES {
        page.text.push_str(&format!("\n## {}\n", kind.title));
        page.keys(&top_keys(kind));
    }
    page.all_mappings();
    page.text
}

struct Page {
    text: String,
    /// Those that are described or wait for it, in the order in which they are met.
    mappings: Vec<&'static MappingShape>,
    conditions: bool,
}

impl Page {
    /// Describes what is met on the way until nothing is left.
    fn all_mappings(&mut self) {
        let mut done = 0;
        let mut conditions_done = false;
        loop {
            while let Some(mapping) = self.mappings.get(done).copied() {
                done += 1;
                self.text.push_str(&format!("\n## {}\n\n{}\n", heading(mapping), docs(mapping.docs)));
                self.keys(&mapping.keys.iter().collect::<Vec<_>>());
                if mapping.open {
                    self.text.push_str("\nFurther keys are options of its engine or type.\n");
                }
            }
            if !self.conditions || std::mem::replace(&mut conditions_done, true) {
                return;
            }
            self.text.push_str(
                "\n## Condition\n\nA text expression, such as `\"lifetime_value >= 500 and city is not null\"`, or one of \
                 these mappings; `springline fmt` turns either spelling into the other.\n\n",
            );
            for shape in condition_shapes() {
                let link = self.takes(&shape);
                let meaning = match shape {
                    Shape::Mapping(mapping) => docs(mapping.docs),
                    _ => String::new(),
                };
                self.text.push_str(&format!("- {link}: {meaning}\n"));
            }
        }
    }

    fn keys(&mut self, keys: &[&'static KeyShape]) {
        self.text.push_str("\n| key | takes | required | meaning |\n|---|---|---|---|\n");
        for key in keys {
            let takes = self.takes(&(key.shape)());
            let required = if key.required { "yes" } else { "" };
            let meaning = docs(key.docs).replace('|', "\\|");
            self.text.push_str(&format!("| `{}` | {takes} | {required} | {meaning} |\n", key.name));
        }
    }

    /// What may be written, in a few words with links.
    fn takes(&mut self, shape: &Shape) -> String {
        match shape {
            Shape::Text => "text".to_owned(),
            Shape::Boolean => "`true` or `false`".to_owned(),
            Shape::Integer => "a whole number".to_owned(),
            Shape::Value => "a value".to_owned(),
            Shape::Word(words) => words.iter().map(|w| format!("`{w}`")).collect::<Vec<_>>().join(", "),
            Shape::List(item) => format!("a list of: {}", self.takes(&item())),
            Shape::Entries(value) => format!("names with: {}", self.takes(&value())),
            Shape::Either(a, b) => format!("{}, or {}", self.takes(&a()), self.takes(&b())),
            Shape::Condition => {
                self.conditions = true;
                "a [condition](#condition)".to_owned()
            }
            Shape::Mapping(mapping) => {
                if !self.mappings.iter().any(|known| known.name == mapping.name) {
                    self.mappings.push(mapping);
                }
                format!("[{}](#{})", mapping_name(mapping), mapping_name(mapping).replace(' ', "-"))
            }
        }
    }
}

fn heading(mapping: &MappingShape) -> String {
    let name = mapping_name(mapping);
    let mut chars = name.chars();
    chars.next().map(|c| c.to_uppercase().collect::<String>()).unwrap_or_default() + chars.as_str()
}
