//! Mutations of the text of a package.

use springline_model::{PackageSource, check_with};

use super::mutate::{Random, by_tokens};
use super::{SAMPLE, assert_sound, kit};

/// A package with something of everything that packages have.
const PACKAGE: &str = "package:
  name: p
  description: É.
  parameters:
    entity: { default: customer, description: x }
    towns: { default: [a, b, \"{{ entity }}\"] }
    least: { default: 3 }
import: [ { from: ../q, with: { entity: \"{{ entity }}\", towns: \"{{ towns }}\" } } ]
entities:
  - name: \"{{ entity }}\"
    events: [ { name: purchase, source: orders, key: id, at: at } ]
    fields:
      - { name: \"in_{{ town }}\", for_each: { town: \"{{ towns }}\" }, expr: \"ville = '{{ town }}'\" }
      - { name: spent, expr: sum(purchase.amount), default: \"{{ least }}\" }
segments:
  - { name: best, entity: \"{{ entity }}\", where: { field: spent, gte: \"{{ least }}\" } }
";
const CASES: u32 = 1_000;

/// The same text for every package.
struct Everywhere(String);

impl PackageSource for Everywhere {
    fn files(&self, _: &str) -> Result<Vec<(String, String)>, String> {
        Ok(vec![("package.yaml".to_owned(), self.0.clone())])
    }

    fn shipped(&self) -> Vec<String> {
        vec!["springline/p".to_owned()]
    }
}

#[test]
fn no_mutation_of_a_package_panics() {
    let mut random = Random::new(0xD1B5_4A32_D192_ED03);
    let project = format!("{SAMPLE}\nimport: [p, {{ from: p, with: {{ least: 7, towns: [x] }} }}]\n");
    let registry = kit::registry();
    for _ in 0..CASES {
        let text = by_tokens(PACKAGE, &mut random);
        let files = vec![("springline.yaml".to_owned(), project.clone())];
        let checked = check_with(files, &registry, &Everywhere(text));
        assert_sound(&checked, usize::MAX);
    }
}
