//! Guix's module names for what our channels provide.
//!
//! A recipe or manifest written for Guix imports `(gnu packages compression)` and expects `zlib` there. Our channels are cut by
//! other topics, so that such a module is made on the fly: it re-exports every package of the bundled channels. A
//! channel that carries its own `gnu/packages/…` is found first and replaces this.

use hpcl_lang::host::ModuleSource;

use super::{Channels, Index};

/// Returns the source of `(gnu)` or `(gnu packages TOPIC)`, or `None` for other modules below `gnu`.
pub fn gnu_module(rest: &[&str]) -> Option<ModuleSource> {
    let topic = match rest {
        [] => "gnu".to_owned(),
        ["packages"] => "gnu packages".to_owned(),
        ["packages", topic] => format!("gnu packages {topic}"),
        _ => return None,
    };
    let bundled = Index::scan(&Channels::default()).ok()?;
    let mut modules: Vec<String> = bundled.entries().iter().map(|entry| entry.module.to_string()).collect();
    modules.dedup();
    let uses: Vec<String> = modules.iter().map(|name| format!("#:use-module {name}")).collect();
    let names: Vec<&str> = bundled.entries().iter().map(|entry| entry.variable.as_str()).collect();
    let extra = "specification->package specifications->manifest";
    let text = format!(
        ";;; The packages of the bundled channels under the name that Guix gives them.\n\
         (define-module ({topic})\n  {}\n  #:use-module (hpcl specifications)\n  #:use-module (hpcl profiles)\n  #:re-export ({} {extra}))\n",
        uses.join("\n  "),
        names.join(" ")
    );
    Some(ModuleSource { file: format!("<{topic}>").into(), text: text.into() })
}
