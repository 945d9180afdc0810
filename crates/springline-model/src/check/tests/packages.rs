//! Imports: values of parameters, which definition wins, and what is said of the rest.

use std::collections::BTreeMap;

use expect_test::expect;

use super::{HEAD, problems, registry};
use crate::{Checked, PackageSource, check_with};

/// Packages by place: path and text of each file.
struct Shelf(BTreeMap<&'static str, Vec<(&'static str, &'static str)>>);

impl PackageSource for Shelf {
    fn files(&self, from: &str) -> Result<Vec<(String, String)>, String> {
        let files = self.0.get(from).ok_or_else(|| format!("there is no package `{from}`"))?;
        Ok(files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect())
    }

    fn shipped(&self) -> Vec<String> {
        self.0.keys().filter(|name| name.starts_with("springline/")).map(|name| (*name).to_owned()).collect()
    }
}

const SPEND: (&str, &[(&str, &str)]) = (
    "springline/spend",
    &[
        (
            "package.yaml",
            "package:\n  name: spend\n  parameters:\n    entity: { default: customer }\n    event: { default: purchase }\n    \
             value: { description: The amount. }\n",
        ),
        (
            "spend.yaml",
            "entities:\n  - name: '{{ entity }}'\n    fields:\n      - { name: spent, expr: 'sum({{ event }}.{{ value }})' }\n      \
             - { name: bought, expr: 'count({{ event }})' }\n\
             segments:\n  - { name: spenders, entity: '{{ entity }}', where: 'spent > 0' }\n  \
             - { name: buyers, entity: '{{ entity }}', where: 'bought > 0' }\n",
        ),
    ],
);

fn load(shelf: &[(&'static str, &[(&'static str, &'static str)])], import: &str, rest: &str) -> Checked {
    let shelf = Shelf(shelf.iter().map(|(from, files)| (*from, files.to_vec())).collect());
    let text = format!("{HEAD}      []\n{rest}\nimport: {import}\n");
    check_with(vec![("springline.yaml".into(), text)], &registry(), &shelf)
}

fn names(checked: &Checked) -> String {
    let Some(project) = &checked.project else { return problems(checked) };
    let customer = project.entities.iter().find(|e| e.name == "customer").unwrap();
    let fields: Vec<_> =
        customer.fields.iter().map(|f| checked.sources.path(f.span.file).to_owned() + " " + &f.name).collect();
    let segments = project.segments.iter().map(|s| checked.sources.locate(s.span) + " " + &s.name);
    fields.into_iter().chain(segments).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_package_extends_an_entity_and_the_project_wins() {
    let import = "[{ from: springline/spend, with: { value: amount } }]";
    expect![[r#"
        springline/spend: spend.yaml spent
        springline/spend: spend.yaml bought
        springline/spend: spend.yaml:7 spenders
        springline/spend: spend.yaml:8 buyers"#]]
    .assert_eq(&names(&load(&[SPEND], import, "")));
    let own = "segments:\n  - { name: buyers, entity: customer, where: 'bought > 5' }\n";
    let checked = load(&[SPEND], import, own);
    expect![[r#"
        springline/spend: spend.yaml spent
        springline/spend: spend.yaml bought
        springline.yaml:43 buyers
        springline/spend: spend.yaml:7 spenders"#]]
    .assert_eq(&names(&checked));
}

#[test]
fn a_field_of_the_project_wins() {
    let shelf = Shelf(BTreeMap::from([(SPEND.0, SPEND.1.to_vec())]));
    let text = format!(
        "{HEAD}      - {{ name: spent, expr: 'sum(purchase.amount) + 1' }}\n\
         import: [{{ from: springline/spend, with: {{ value: amount }} }}]\n"
    );
    let checked = check_with(vec![("springline.yaml".into(), text)], &registry(), &shelf);
    expect![[r#"
        springline.yaml spent
        springline/spend: spend.yaml bought
        springline/spend: spend.yaml:7 spenders
        springline/spend: spend.yaml:8 buyers"#]]
    .assert_eq(&names(&checked));
}

#[test]
fn parameters_must_be_there_and_be_known() {
    expect![[r#"
        E0121 «springline/spend» package `springline/spend` needs a value for `value`
            write `{ from: springline/spend, with: { value: … } }`
    "#]]
    .assert_eq(&problems(&load(&[SPEND], "[springline/spend]", "")));
    expect![[r#"
        E0104 «[a]» expected a single value, found a list
            -
        E0121 «evnt» package `springline/spend` has no parameter `evnt`
            did you mean `event`?
    "#]]
    .assert_eq(&problems(&load(
        &[SPEND],
        "[{ from: springline/spend, with: { value: amount, entity: [a], evnt: x } }]",
        "",
    )));
    expect![[r#"
        E0120 «springline/spent» there is no package `springline/spent`
            did you mean `springline/spend`?
    "#]]
    .assert_eq(&problems(&load(&[SPEND], "[springline/spent]", "")));
}

#[test]
fn what_is_wrong_inside_names_the_import() {
    let checked = load(&[SPEND], "[{ from: springline/spend, with: { value: amuont } }]", "");
    expect![[r#"
        E0201 «'sum({{ event }}.{{ value }})'» event `purchase` has no column `amuont`
            did you mean `amount`?
    "#]]
    .assert_eq(&problems(&checked));
    let diagnostic = &checked.diagnostics[0];
    assert_eq!(checked.sources.path(diagnostic.primary.span.file), "springline/spend: spend.yaml");
    let label = diagnostic.secondary.last().unwrap();
    assert_eq!((checked.sources.path(label.span.file), label.text.as_str()), ("springline.yaml", "imported here"));
}

#[test]
fn an_entity_that_nobody_defines_is_reported_once() {
    expect![[r#"
        E0120 «'{{ entity }}'» the package extends entity `client`, which the project does not have
            define `client` with `source` and `primary_key`, or name another entity where it is imported
    "#]]
    .assert_eq(&problems(&load(&[SPEND], "[{ from: springline/spend, with: { value: amount, entity: client } }]", "")));
}

#[test]
fn packages_that_clash_are_refused_unless_the_project_defines_it() {
    const OTHER: (&str, &[(&str, &str)]) = (
        "packages/other",
        &[
            ("package.yaml", "package: { name: other }\n"),
            (
                "x.yaml",
                "entities: [{ name: customer, fields: [{ name: bought, expr: 'count(purchase) > 1' }] }]\n\
                 segments: [{ name: buyers, entity: customer, where: 'vip' }]\n",
            ),
        ],
    );
    let import = "[{ from: springline/spend, with: { value: amount } }, packages/other]";
    expect![[r#"
        E0107 «bought» two packages have field `bought` of entity `customer`
            define it in the project, which then wins, or give one of the packages other parameters
        E0107 «buyers» two packages have segment `buyers`
            define it in the project, which then wins, or give one of the packages other parameters
    "#]]
    .assert_eq(&problems(&load(&[SPEND, OTHER], import, "")));
}

#[test]
fn a_package_overrides_what_it_imports_itself() {
    const OUTER: (&str, &[(&str, &str)]) = (
        "packages/outer",
        &[
            (
                "package.yaml",
                "package: { name: outer, parameters: { column: { default: amount } } }\n\
                 import: [{ from: springline/spend, with: { value: '{{ column }}' } }, ../inner]\n",
            ),
            ("x.yaml", "segments: [{ name: buyers, entity: customer, where: 'bought > 7' }]\n"),
        ],
    );
    const INNER: (&str, &[(&str, &str)]) = (
        "packages/inner",
        &[
            ("package.yaml", "package: { name: inner, parameters: { countries: { default: [FR, DE] } } }\n"),
            (
                "x.yaml",
                "segments:\n  - { name: 'in_{{ c }}', for_each: { c: '{{ countries }}' }, entity: customer, where: { field: city, eq: '{{ c }}' } }\n",
            ),
        ],
    );
    let import = "[packages/outer, { from: springline/spend, with: { value: amount } }, packages/inner]";
    expect![[r#"
        springline/spend: spend.yaml spent
        springline/spend: spend.yaml bought
        packages/outer/x.yaml:1 buyers
        springline/spend: spend.yaml:7 spenders
        packages/inner/x.yaml:2 in_FR
        packages/inner/x.yaml:2 in_DE"#]]
    .assert_eq(&names(&load(&[SPEND, OUTER, INNER], import, "")));
}

#[test]
fn circles_and_strange_places_are_refused() {
    const A: (&str, &[(&str, &str)]) = ("a", &[("package.yaml", "package: { name: a }\nimport: [../b]\n")]);
    const B: (&str, &[(&str, &str)]) = ("b", &[("package.yaml", "package: { name: b }\nimport: [../a]\n")]);
    expect![[r#"
        E0120 «../a» packages import one another: `a`, then `b`, then `a`
            remove one of these imports
    "#]]
    .assert_eq(&problems(&load(&[A, B], "[a]", "")));
    const EMPTY: (&str, &[(&str, &str)]) = ("empty", &[("x.yaml", "segments: []\n")]);
    const UNUSED: (&str, &[(&str, &str)]) =
        ("unused", &[("package.yaml", "package: { name: unused, parameters: { p: { default: 1 } } }\n")]);
    expect![[r#"
        E0120 «/etc» `/etc` is no folder of the project
            write the way from the project's folder, with `/`, such as `packages/loyalty`
        E0120 «.» a project cannot import itself
            name the folder of a package
        E0120 «empty» `empty` is no package: it has no package.yaml
            a package is a folder with a package.yaml, such as `package: { name: … }`
        E0121 «p» parameter `p` of the package is not used
            write `{{ p }}` where its value belongs, or remove it
    "#]]
    .assert_eq(&problems(&load(&[EMPTY, UNUSED], "[/etc, ., empty, unused]", "")));
}
