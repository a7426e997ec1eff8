//! `hpcl doctor`: what this machine allows, and what to do about what it does not.
//!
//! Nothing is built or fetched, and no server is asked. Each line is one finding; those that keep hpcl from working end with a
//! remedy. The exit code is 6 when builds cannot be isolated here and 1 when the store cannot be used.

use std::{io::Write, path::Path, process::ExitCode};

use clap::Args;
use nix::sys::statfs::statfs;
use serde::Serialize;

use super::Outcome;
use crate::{
    fetch::{Mirrors, Settings},
    report::{chain, exit_code, quantity},
    sandbox,
    store::{LocalStore, StoreConfig, StoreError},
};

/// Arguments of `hpcl doctor`.
#[derive(Args)]
pub struct Arguments {
    /// Print the findings as JSON
    #[arg(long)]
    json: bool,
}

/// How much a finding matters.
#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Good,
    Note,
    Bad,
}

/// One thing that was looked at.
#[derive(Serialize)]
struct Finding {
    level: Level,
    about: &'static str,
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

/// Less than this much room, and a toolchain will not fit: 2 GiB.
const LITTLE_ROOM: u64 = 2 << 30;
/// The mirrors that the bundled channels fetch from first.
const MIRRORS: [&str; 2] = ["debian", "gnu"];

/// Looks at the machine and prints what it found.
pub fn run(arguments: &Arguments) -> Outcome {
    let mut findings = vec![system()];
    let isolated = builds(&mut findings);
    let stored = store(&mut findings);
    sources(&mut findings);
    let mut out = anstream::stdout();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &findings).map_err(std::io::Error::from)?;
        writeln!(out)?;
    } else {
        for finding in &findings {
            print(&mut out, finding)?;
        }
    }
    Ok(ExitCode::from(match (isolated, stored) {
        (_, false) => exit_code::FAILURE,
        (false, true) => exit_code::UNSUPPORTED,
        (true, true) => exit_code::SUCCESS,
    }))
}

fn print(out: &mut impl Write, finding: &Finding) -> std::io::Result<()> {
    use anstyle::{AnsiColor, Style};
    let color = |color: AnsiColor| Style::new().bold().fg_color(Some(color.into()));
    let (style, word) = match finding.level {
        Level::Good => (color(AnsiColor::Green), "good"),
        Level::Note => (color(AnsiColor::Yellow), "note"),
        Level::Bad => (color(AnsiColor::Red), "bad "),
    };
    writeln!(out, "{style}{word}{style:#}  {}: {}", finding.about, finding.text)?;
    if let Some(remedy) = &finding.remedy {
        writeln!(out, "      {remedy}")?;
    }
    Ok(())
}

fn finding(level: Level, about: &'static str, text: impl Into<String>) -> Finding {
    Finding { level, about, text: text.into(), remedy: None }
}

fn system() -> Finding {
    let names = rustix::system::uname();
    let text = format!(
        "hpcl {} on {} {}, {}",
        env!("CARGO_PKG_VERSION"),
        names.sysname().to_string_lossy(),
        names.release().to_string_lossy(),
        names.machine().to_string_lossy()
    );
    finding(Level::Good, "system", text)
}

/// Whether builds can be isolated.
fn builds(findings: &mut Vec<Finding>) -> bool {
    match sandbox::available() {
        Ok(()) => {
            findings.push(finding(
                Level::Good,
                "builds",
                "isolated from the host by namespaces, without root",
            ));
            true
        }
        Err(missing) => {
            findings.extend(missing.into_iter().map(|missing| Finding {
                level: Level::Bad,
                about: "builds",
                text: format!("no {}: {}", missing.part, missing.reason),
                remedy: Some(
                    "programs that are in the store run all the same; `hpcl build --no-sandbox` builds without isolation \
                     and marks what it makes"
                        .into(),
                ),
            }));
            false
        }
    }
}

/// Whether the store can be used.
fn store(findings: &mut Vec<Finding>) -> bool {
    let configured = StoreConfig::from_env().and_then(|mut config| {
        if !StoreConfig::names_layers() {
            // Settings that cannot be read are a finding of their own.
            config.set_layers(Settings::load().unwrap_or_default().store.layers)?;
        }
        Ok(config)
    });
    let store = match configured.and_then(LocalStore::open) {
        Ok(store) => store,
        Err(error @ StoreError::LayerGone { .. }) => {
            let remedy = Some("mount it, or correct `HPCL_STORE_LAYERS` and the settings".into());
            findings.push(Finding { level: Level::Bad, about: "layers", text: chain(&error), remedy });
            return false;
        }
        Err(error) => {
            let remedy = Some("`HPCL_STORE` names another directory for it".into());
            findings.push(Finding { level: Level::Bad, about: "store", text: chain(&error), remedy });
            return false;
        }
    };
    let place = store.local_dir();
    findings.push(finding(Level::Good, "store", place.display().to_string()));
    for layer in store.layers() {
        findings.push(finding(Level::Good, "layer", layer.display().to_string()));
    }
    let Ok(disk) = statfs(place) else { return true };
    let free = disk.blocks_available().saturating_mul(u64::try_from(disk.block_size()).unwrap_or(0));
    let kind = filesystem(place).map_or(String::new(), |kind| format!(" ({kind})"));
    let room = format!("{} free{kind}", quantity::bytes(free));
    findings.push(match free < LITTLE_ROOM {
        true => Finding {
            level: Level::Note,
            about: "room",
            text: room,
            remedy: Some("a compiler and MPI take about 500 MB, their builds more; `hpcl gc` deletes what nothing needs".into()),
        },
        false => finding(Level::Good, "room", room),
    });
    if disk.flags().contains(nix::sys::statvfs::FsFlags::ST_NOEXEC) {
        findings.push(Finding {
            level: Level::Bad,
            about: "store",
            text: "its file system is mounted `noexec`: no program in it can be run".into(),
            remedy: Some("`HPCL_STORE` names another directory for it".into()),
        });
        return false;
    }
    true
}

/// The type of the file system that holds a path, as the kernel names it.
fn filesystem(path: &Path) -> Option<String> {
    let table = std::fs::read_to_string("/proc/self/mounts").ok()?;
    table
        .lines()
        .filter_map(|line| {
            let mut words = line.split(' ').skip(1);
            Some((words.next()?, words.next()?))
        })
        .filter(|(mounted, _)| path.starts_with(mounted))
        .max_by_key(|(mounted, _)| mounted.len())
        .map(|(_, kind)| kind.to_owned())
}

/// Where sources would be asked for.
fn sources(findings: &mut Vec<Finding>) {
    let settings = match Settings::load() {
        Ok(settings) => settings,
        Err(error) => return findings.push(finding(Level::Bad, "settings", chain(&error))),
    };
    let mirrors = Mirrors::of_host(settings);
    for name in MIRRORS {
        match mirrors.resolve(&format!("mirror://{name}/")) {
            Ok(addresses) => {
                let urls: Vec<&str> =
                    addresses.iter().map(|address| address.url.trim_end_matches('/')).collect();
                findings.push(finding(Level::Good, "sources", format!("`{name}` from {}", urls.join(", "))));
            }
            Err(reason) => {
                let file =
                    Settings::path().map_or("the settings".into(), |path| format!("`{}`", path.display()));
                findings.push(Finding {
                    level: Level::Note,
                    about: "sources",
                    text: reason.to_string(),
                    remedy: Some(format!(
                        "add to {file}, under `[mirrors]`: {name} = [\"https://mirror.example.org/{name}\"]"
                    )),
                });
            }
        }
    }
}
