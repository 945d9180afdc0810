//! `springline packages`: what can be imported without being written.

use serde_json::json;
use springline_model::{Parameter, SHIPPED};

use crate::cli::{Format, Global};
use crate::failure::{Exit, Failure};
use crate::packages;

pub(crate) fn execute(global: &Global) -> Result<Exit, Failure> {
    let all = packages::shipped()?;
    match global.format {
        Format::Json => {
            let parameter = |p: &Parameter| json!({ "name": p.name, "description": p.description, "default": p.default, "required": p.default.is_none() });
            let all: Vec<_> = all
                .iter()
                .map(|package| {
                    let parameters: Vec<_> = package.parameters.iter().map(parameter).collect();
                    let import = format!("{SHIPPED}{}", package.name);
                    json!({ "import": import, "description": package.description, "parameters": parameters })
                })
                .collect();
            anstream::println!("{:#}", json!({ "packages": all }));
        }
        Format::Text => {
            for package in &all {
                let description = package.description.as_deref().unwrap_or_default();
                anstream::println!("{SHIPPED}{}\n  {description}", package.name);
                for parameter in &package.parameters {
                    anstream::println!("  {}", line(parameter));
                }
                anstream::println!();
            }
            anstream::println!(
                "In springline.yaml: `import: [{{ from: {SHIPPED}<name>, with: {{ <parameter>: <value> }} }}]`"
            );
        }
    }
    Ok(Exit::Done)
}

fn line(parameter: &Parameter) -> String {
    let default = match &parameter.default {
        Some(default) => format!("[default: {default}]"),
        None => "[must be set]".to_owned(),
    };
    let description = parameter.description.as_deref().unwrap_or_default();
    format!("{:<16} {description} {default}", parameter.name)
}
