//! The page of the command line, from the declarations that read it.

use clap::{Arg, Command, CommandFactory};

use crate::cli::Cli;

pub(super) fn page() -> String {
    let mut root = Cli::command();
    root.build();
    let mut page = format!("# The command line\n\n{}\n", about(&root));
    page.push_str("\n## Options of every command\n\n");
    options(root.get_arguments().filter(|arg| arg.is_global_set()), &mut page);
    root.get_subcommands().for_each(|command| section(command, "springline", &mut page));
    page
}

fn section(command: &Command, parent: &str, page: &mut String) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = format!("{parent} {}", command.get_name());
    page.push_str(&format!("\n## {name}\n\n{}\n", about(command)));
    let own = |arg: &&Arg| !arg.is_global_set() && !arg.is_hide_set();
    let shown: Vec<&Arg> = command.get_arguments().filter(own).filter(|arg| !is_help(arg)).collect();
    if !shown.is_empty() {
        page.push('\n');
        options(shown.into_iter(), page);
    }
    command.get_subcommands().for_each(|sub| section(sub, &name, page));
}

fn is_help(arg: &Arg) -> bool {
    matches!(arg.get_id().as_str(), "help" | "version")
}

fn about(command: &Command) -> String {
    let text = command.get_long_about().or_else(|| command.get_about());
    text.map(|text| text.to_string().trim().to_owned()).unwrap_or_default()
}

fn options<'a>(args: impl Iterator<Item = &'a Arg>, page: &mut String) {
    for arg in args {
        let value = arg.get_value_names().and_then(|names| names.first()).map_or("VALUE", |name| name.as_str());
        let form = match arg.get_long() {
            Some(long) if arg.get_action().takes_values() => format!("--{long} {value}"),
            Some(long) => format!("--{long}"),
            None if arg.is_required_set() => value.to_owned(),
            None => format!("[{value}]"),
        };
        let text = arg.get_long_help().or_else(|| arg.get_help()).map(ToString::to_string).unwrap_or_default();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        page.push_str(&format!("- `{form}`: {text}"));
        let words: Vec<String> = arg.get_possible_values().iter().map(|v| format!("`{}`", v.get_name())).collect();
        if arg.get_action().takes_values() && !words.is_empty() {
            page.push_str(&format!("; one of {}", words.join(", ")));
        }
        if let Some(variable) = arg.get_env() {
            page.push_str(&format!("; from `{}` if it is set", variable.to_string_lossy()));
        }
        page.push('\n');
    }
}
