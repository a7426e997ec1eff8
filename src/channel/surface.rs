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
        ["packages"] => return Some(distribution()),
        [] => "gnu".to_owned(),
        ["packages", topic] => format!("gnu packages {topic}"),
        _ => return None,
    };
    let entries = Index::scan(&Channels::default()).ok()?.entries()?;
    let mut modules: Vec<String> = entries.iter().map(|entry| entry.module.to_string()).collect();
    modules.dedup();
    let uses: Vec<String> = modules.iter().map(|name| format!("#:use-module {name}")).collect();
    let names: Vec<&str> = entries.iter().map(|entry| entry.variable.as_str()).collect();
    let extra = "specification->package specifications->manifest";
    let text = format!(
        ";;; The packages of the bundled channels under the name that Guix gives them.\n\
         (define-module ({topic})\n  {}\n  #:use-module (hpcl specifications)\n  #:use-module (hpcl profiles)\n  #:re-export ({} {extra}))\n",
        uses.join("\n  "),
        names.join(" ")
    );
    Some(ModuleSource { file: format!("<{topic}>").into(), text: text.into() })
}

/// Returns the source of `(gnu packages)`, which has no packages of its own.
fn distribution() -> ModuleSource {
    let text = ";;; The names of (hpcl distribution) under the name that Guix gives them.\n\
                (define-module (gnu packages)\n  #:use-module (hpcl distribution)\n  #:re-export (search-patch search-patches search-auxiliary-file %patch-path\n    %auxiliary-files-path %package-module-path %default-package-module-path all-packages\n    fold-packages fold-available-packages find-packages-by-name find-best-packages-by-name\n    specification->package specification->package+output specification->location\n    specifications->manifest specifications->packages package-unique-version-prefix))\n";
    ModuleSource { file: "<gnu packages>".into(), text: text.into() }
}
