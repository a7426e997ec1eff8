//! The command line: one verb per file.
//!
//! A verb parses its arguments with clap, calls the domain and mechanism layers and returns an exit code or a
//! [`Failure`]; `report` prints both. Invariant: standard output carries results only, everything else goes to
//! standard error.

mod build;
pub mod build_process;
mod bundle;
mod cache;
mod channel;
mod channels;
mod closure;
mod complete;
mod completions;
mod copy;
mod describe;
mod diff;
mod doctor;
mod download;
mod edit;
mod eval;
mod explain;
mod fmt;
mod gc;
mod graph;
mod hash;
mod import;
mod lint;
mod list_available;
mod listing;
mod locate;
mod lock;
mod lsp;
mod man;
mod options;
mod plan;
mod profile;
mod publish;
mod pull;
mod realise;
mod refresh;
mod relocate;
mod repl;
mod run;
mod search;
mod session;
mod sharing;
mod shell;
mod show;
mod store;
mod time_machine;
mod weather;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::report::Failure;

/// hpcl, a functional package manager for high-performance computing.
///
/// Evaluates recipes to derivations, builds what is missing in a sandbox and runs it from a store in your home
/// directory. No root, no daemon.
#[derive(Parser)]
#[command(name = "hpcl", version, propagate_version = true, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build packages or a manifest and print where the results are
    Build(build::Arguments),
    /// Write packages, all that they need and their recipes into one file, for clusters without a network
    Bundle(bundle::Arguments),
    /// Share what was built: push to and pull from binary caches, keys and trust
    Cache(cache::Arguments),
    /// Add, remove and list channels: repositories and directories of recipes
    Channel(channel::Arguments),
    /// Compare what was built here with what binary caches have
    Challenge(weather::ChallengeArguments),
    /// Print what makes a shell complete commands, options and names of packages
    Completions(completions::Arguments),
    /// Copy packages and all that they need between this store and another machine's, over ssh
    Copy(copy::Arguments),
    /// Say which channels are in use, at which commits
    Describe(describe::Arguments),
    /// Say why two packages, manifests, profiles or derivations are not the same
    Diff(diff::Arguments),
    /// Say what this machine allows, where the store and the mirrors are, and what to do about what is missing
    Doctor(doctor::Arguments),
    /// Open recipes in your editor
    Edit(edit::Arguments),
    /// Fetch a file into the store and print its place and its hash
    Download(download::Arguments),
    /// Evaluate a file, an expression or packages, and print the value or the derivations
    Eval(eval::Arguments),
    /// Explain the code of an error, or list all codes
    Explain(explain::Arguments),
    /// Write programs in the one format
    Fmt(fmt::Arguments),
    /// Delete what no root needs from the store
    Gc(gc::Arguments),
    /// Show what packages depend on, as text or as a picture
    Graph(graph::Arguments),
    /// Print the hash of a file or directory
    Hash(hash::Arguments),
    /// Make recipes of packages of other places: Python's index, JSON
    Import(Box<import::Arguments>),
    /// Put packages into your profile; with `-m`, make it hold what a manifest says
    Install(profile::InstallArguments),
    /// Check recipes for mistakes and style
    Lint(lint::Arguments),
    /// List the packages that can be built here, one a line
    ListAvailable(list_available::Arguments),
    /// Say which packages have a file
    Locate(locate::Arguments),
    /// Write down the channels, derivations and sources that packages come to
    Lock(lock::Arguments),
    /// Print the log of a build
    Log(store::LogArguments),
    /// Serve editors: diagnostics, hover, definitions, completion, format
    Lsp(lsp::Arguments),
    /// Write the manual pages of all verbs
    Man(man::Arguments),
    /// Save room: make equal files of the store one, by hard links
    Optimise(store::OptimiseArguments),
    /// Change and list profiles and their generations, by Guix's options
    Package(Box<profile::package::Arguments>),
    /// Show what would be fetched and built, and why
    Plan(plan::Arguments),
    /// Serve the store as a binary cache over HTTP
    Publish(publish::Arguments),
    /// Bring the channels up to date, and go back to former generations of them
    Pull(pull::Arguments),
    /// Say which packages have newer versions, and put these into their recipes
    Refresh(refresh::Arguments),
    /// Refresh the pins of the seed toolchain's packages from the mirror
    RefreshPins(store::RefreshArguments),
    /// Take packages out of your profile
    Remove(profile::RemoveArguments),
    /// Move the whole store to another directory
    Relocate(relocate::Arguments),
    /// Read, evaluate and print expressions interactively
    Repl(repl::Arguments),
    /// Run one program of a package
    Run(run::Arguments),
    /// Find packages by words or regular expressions, the most relevant first
    Search(search::Arguments),
    /// Enter an environment with packages, or run a command in it
    Shell(shell::Arguments),
    /// Show what is known of packages
    Show(show::Arguments),
    /// Print how large packages are with all that they bring along
    Size(closure::SizeArguments),
    /// Put files into the store, make stores for a group, and see what lies below one's own
    Store(sharing::Arguments),
    /// Run a command with other commits of the channels
    TimeMachine(time_machine::Arguments),
    /// Put what a bundle holds into the store, without a network
    Unbundle(bundle::UnbundleArguments),
    /// Renew the packages of your profile
    Upgrade(profile::UpgradeArguments),
    /// Check that every item of the store is what it was when it was put there
    Verify(store::VerifyArguments),
    #[command(name = "__absent", hide = true)]
    Absent,
    #[command(name = "__lease", hide = true)]
    Lease(shell::LeaseArguments),
    #[command(name = "__files", hide = true)]
    Files,
    /// Say how much of what packages need binary caches have
    Weather(weather::WeatherArguments),
    /// Say through which files one package brings another along
    Why(closure::WhyArguments),
}

/// Runs the program.
pub fn main() -> ExitCode {
    if let Some(code) = build_process::dispatch(crate::builder::run) {
        return code;
    }
    complete::answer();
    match dispatch(Cli::parse()) {
        Ok(code) => code,
        Err(failure) => failure.print(),
    }
}

fn dispatch(cli: Cli) -> Outcome {
    match cli.verb {
        Verb::Build(arguments) => build::run(&arguments),
        Verb::Bundle(arguments) => bundle::run(&arguments),
        Verb::Cache(arguments) => cache::run(&arguments),
        Verb::Channel(arguments) => channel::run(&arguments),
        Verb::Challenge(arguments) => weather::challenge(&arguments),
        Verb::Completions(arguments) => completions::run(&arguments),
        Verb::Absent => copy::absent(),
        Verb::Lease(arguments) => shell::lease(&arguments),
        Verb::Files => publish::files(),
        Verb::Copy(arguments) => copy::run(&arguments),
        Verb::Describe(arguments) => describe::run(&arguments),
        Verb::Diff(arguments) => diff::run(&arguments),
        Verb::Doctor(arguments) => doctor::run(&arguments),
        Verb::Edit(arguments) => edit::run(&arguments),
        Verb::Download(arguments) => download::run(&arguments),
        Verb::Eval(arguments) => eval::run(&arguments),
        Verb::Explain(arguments) => explain::run(&arguments),
        Verb::Fmt(arguments) => fmt::run(&arguments),
        Verb::Gc(arguments) => gc::run(&arguments),
        Verb::Graph(arguments) => graph::run(&arguments),
        Verb::Hash(arguments) => hash::run(&arguments),
        Verb::Import(arguments) => import::run(&arguments),
        Verb::Install(arguments) => profile::install(&arguments),
        Verb::Lint(arguments) => lint::run(&arguments),
        Verb::ListAvailable(arguments) => list_available::run(&arguments),
        Verb::Locate(arguments) => locate::run(&arguments),
        Verb::Lock(arguments) => lock::run(&arguments),
        Verb::Log(arguments) => store::log(&arguments),
        Verb::Lsp(arguments) => lsp::run(&arguments),
        Verb::Man(arguments) => man::run(&arguments),
        Verb::Optimise(arguments) => store::optimise(&arguments),
        Verb::Package(arguments) => profile::package::run(&arguments),
        Verb::Plan(arguments) => plan::run(&arguments),
        Verb::Publish(arguments) => publish::run(&arguments),
        Verb::Pull(arguments) => pull::run(&arguments),
        Verb::Refresh(arguments) => refresh::run(&arguments),
        Verb::RefreshPins(arguments) => store::refresh_pins(&arguments),
        Verb::Remove(arguments) => profile::remove(&arguments),
        Verb::Relocate(arguments) => relocate::run(&arguments),
        Verb::Repl(arguments) => repl::run(&arguments),
        Verb::Run(arguments) => run::run(&arguments),
        Verb::Search(arguments) => search::run(&arguments),
        Verb::Shell(arguments) => shell::run(&arguments),
        Verb::Show(arguments) => show::run(&arguments),
        Verb::Size(arguments) => closure::size(&arguments),
        Verb::Store(arguments) => sharing::run(&arguments),
        Verb::TimeMachine(arguments) => time_machine::run(&arguments),
        Verb::Unbundle(arguments) => bundle::unbundle(&arguments),
        Verb::Upgrade(arguments) => profile::upgrade(&arguments),
        Verb::Verify(arguments) => store::verify(&arguments),
        Verb::Weather(arguments) => weather::weather(&arguments),
        Verb::Why(arguments) => closure::why(&arguments),
    }
}

/// What a verb returns.
type Outcome = Result<ExitCode, Failure>;
