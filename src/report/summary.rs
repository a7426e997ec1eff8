//! What is said when all is done: totals, and each failure with all that helps to understand it.

use std::{fmt::Write as _, time::Duration};

use super::{
    exit_code::{BUILD, DIFFERENT, INTERRUPTED, SUCCESS},
    quantity::{bytes, seconds},
};
use crate::{
    executor::{BuildError, BuildResult, Failed, Summary, chain},
    graph::HashedGraph,
};

/// Of the lines that a failed build printed last, as many are shown.
const SHOWN_LINES: usize = 25;

/// The exit code that a summary asks for.
pub fn code_of(summary: &Summary) -> u8 {
    if summary.interrupted {
        INTERRUPTED
    } else if summary.is_success() {
        SUCCESS
    } else if summary.failures().all(|(_, failed)| failed.error.is_difference()) {
        DIFFERENT
    } else {
        BUILD
    }
}

/// How much a plan would do.
pub fn totals(fetches: usize, builds: usize, grafts: usize) -> String {
    match grafts {
        0 => format!("{fetches} to fetch, {builds} to build"),
        _ if fetches + builds == 0 => format!("{grafts} to graft"),
        _ => format!("{fetches} to fetch, {builds} to build, {grafts} to graft"),
    }
}

/// All that is to be said about a summary; empty when nothing was done.
pub fn summary_text(graph: &HashedGraph, summary: &Summary) -> String {
    let mut text = String::new();
    for (id, failed) in summary.failures() {
        failure_text(&mut text, graph, id, failed);
    }
    let mut said: Vec<String> = Vec::new();
    for hint in summary.failures().flat_map(|(_, failed)| hints(failed)) {
        // What fails for many in the same way is mended once.
        if !said.contains(&hint) {
            let _ = writeln!(text, "hint: {hint}");
            said.push(hint);
        }
    }
    let skipped = |result: &&BuildResult| matches!(result, BuildResult::DependencyFailed { .. });
    let skipped = summary.results.values().filter(skipped).count();
    let failed = summary.failures().count();
    let mut parts = Vec::new();
    let counts =
        [(summary.built, "built"), (summary.grafted, "grafted"), (failed, "failed"), (skipped, "skipped")];
    for (count, what) in counts {
        if count > 0 {
            parts.push(format!("{count} {what}"));
        }
    }
    if summary.fetched > 0 {
        parts.push(format!("{} fetched ({})", summary.fetched, bytes(summary.received)));
    }
    if summary.interrupted {
        parts.push("stopped".to_owned());
    }
    if !parts.is_empty() {
        let done = summary.results.values().filter_map(|result| match result {
            BuildResult::Realised(done) => Some(done.cpu_seconds),
            _ => None,
        });
        let cpu: f64 = done.sum();
        let _ = write!(text, "{} in {}", parts.join(", "), seconds(summary.elapsed));
        // For small builds it says nothing.
        if cpu >= 1.0 {
            let _ = write!(text, ", {} of processor time", seconds(Duration::from_secs_f64(cpu)));
        }
        text.push('\n');
    }
    text
}

fn failure_text(text: &mut String, graph: &HashedGraph, id: crate::graph::NodeId, failed: &Failed) {
    let node = graph.node(id);
    let name = &node.derivation.name;
    let reason = chain(&failed.error);
    let _ = match (&failed.error, &failed.phase) {
        (BuildError::Fetch(_), _) => writeln!(text, "error: {reason}"),
        (_, Some(phase)) => writeln!(text, "error: building `{name}` failed in phase `{phase}`: {reason}"),
        (_, None) => writeln!(text, "error: building `{name}` failed: {reason}"),
    };
    let end = failed.last_lines.iter().rposition(|line| !line.trim().is_empty()).map_or(0, |last| last + 1);
    for line in failed.last_lines.iter().take(end).skip(end.saturating_sub(SHOWN_LINES)) {
        let _ = writeln!(text, "  | {line}");
    }
    if let Some(log) = &failed.log {
        let _ = writeln!(text, "  log: {} (`hpcl log {}`)", log.display(), node.path);
    }
    if let BuildError::Different { kept, .. } = &failed.error {
        let _ = writeln!(text, "  the other result: {}", kept.display());
    }
    if let Some(kept) = &failed.kept {
        let _ = writeln!(text, "  kept: {}\n  enter it with: {}", kept.directory.display(), kept.command);
    }
}

fn hints(failed: &Failed) -> Vec<String> {
    let mut hints = Vec::new();
    if failed.disk_full {
        hints.push("the disk is full: make room, for instance with `hpcl gc`".to_owned());
    }
    match &failed.error {
        BuildError::Fetch(error) => hints.extend(error.hint()),
        BuildError::Timeout { .. } => hints.push("`--timeout` sets the limit".to_owned()),
        BuildError::Silent { .. } => hints.push("`--max-silent` sets the limit".to_owned()),
        BuildError::Exit { .. } if failed.kept.is_none() => {
            hints.push("`--keep-failed` keeps the directory of a failed build".to_owned());
        }
        _ => {}
    }
    hints
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::graph::{GraphBuilder, Template};

    fn failed(failed: Failed) -> (HashedGraph, Summary) {
        let mut graph = GraphBuilder::new();
        let id = graph.add_node(Template::new("hello-2.10", "x86_64-linux", "builtin:hpcl-1"));
        let mut summary = Summary::default();
        summary.results.insert(id, BuildResult::Failed(Box::new(failed)));
        (graph.hash().unwrap(), summary)
    }

    #[test]
    fn a_failed_build_tells_phase_lines_log_and_what_to_do() {
        let (graph, summary) = failed(Failed {
            phase: Some("configure".into()),
            last_lines: vec!["checking".into(), "no cc".into(), String::new()],
            log: Some("/s/var/log/ab/c.zst".into()),
            ..Failed::from(BuildError::Exit { code: 1 })
        });
        let drv = graph.nodes().next().unwrap().1.path.to_string();
        let text = summary_text(&graph, &summary).replace(&drv, "DRV");
        assert_eq!(
            text,
            "error: building `hello-2.10` failed in phase `configure`: the builder failed with exit code 1\n  \
             | checking\n  | no cc\n  log: /s/var/log/ab/c.zst (`hpcl log DRV`)\nhint: `--keep-failed` keeps the \
             directory of a failed build\n1 failed in 0.0 s\n"
        );
        assert_eq!(code_of(&summary), BUILD);
    }

    #[test]
    fn a_hint_that_many_failures_have_is_given_once_below_them() {
        let (_, mut summary) = failed(BuildError::Exit { code: 1 }.into());
        let mut graph = GraphBuilder::new();
        for name in ["one", "two"] {
            let id = graph.add_node(Template::new(name, "x86_64-linux", "builtin:hpcl-1"));
            summary.results.insert(id, BuildResult::Failed(Box::new(BuildError::Exit { code: 1 }.into())));
        }
        let text = summary_text(&graph.hash().unwrap(), &summary);
        assert_eq!((text.matches("error:").count(), text.matches("hint:").count()), (2, 1), "{text}");
        assert!(text.rfind("error:") < text.find("hint:"), "{text}");
    }

    #[test]
    fn exit_codes_follow_the_worst() {
        let different = BuildError::Different {
            output: crate::derivation::OutputName::out(),
            first: "`bin/x` differs from byte 3".into(),
            kept: "/kept".into(),
        };
        let (_, mut summary) = failed(different.into());
        assert_eq!(code_of(&summary), DIFFERENT);
        summary.interrupted = true;
        assert_eq!(code_of(&summary), INTERRUPTED);
        assert_eq!(code_of(&Summary::default()), SUCCESS);
    }
}
