//! Repositories of channels, made with git as their authors would.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::TestEnvironment;

/// A repository below a home, made with git as its authors would.
pub struct Origin<'a> {
    /// The home.
    pub environment: &'a TestEnvironment,
    /// Its name there.
    pub name: &'static str,
}

impl<'a> Origin<'a> {
    /// Makes one that is a channel.
    pub fn new(environment: &'a TestEnvironment, name: &'static str) -> Self {
        let origin = Origin { environment, name };
        std::fs::create_dir_all(origin.path()).unwrap();
        origin.git(&["init", "-q", "-b", "master"]);
        origin.write("channel.hpcl", "(channel (version 0))\n");
        origin
    }

    /// Where it is.
    pub fn path(&self) -> PathBuf {
        self.environment.home().join(self.name)
    }

    /// Writes a file of it.
    pub fn write(&self, file: &str, text: &str) {
        self.environment.write(&format!("{}/{file}", self.name), text);
    }

    /// Runs git in it.
    pub fn git(&self, arguments: &[&str]) -> String {
        git(self.environment, &self.path(), arguments)
    }

    /// Commits all that is there and returns the commit.
    pub fn commit(&self, message: &str) -> String {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
        self.head()
    }

    /// The commit that is checked out.
    pub fn head(&self) -> String {
        self.git(&["rev-parse", "HEAD"]).trim().to_owned()
    }

    /// Writes a package of that version, in a module called after it.
    pub fn package(&self, name: &str, version: &str) {
        let text = format!(
            "(define-module (own {name})\n  #:use-module (guix packages)\n  #:use-module (guix gexp)\n  \
             #:use-module (guix build-system trivial))\n\n(define-public {name}\n{})\n",
            super::trivial_package(&format!("\"{name}\""), "#~(mkdir #$output)")
                .replace("(version \"1\")", &format!("(version \"{version}\")"))
        );
        self.write(&format!("own/{name}.hpcl"), &text);
    }
}

/// Runs git and returns what it prints.
pub fn git(environment: &TestEnvironment, folder: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "user.name=A", "-c", "user.email=a@example.org"])
        .args(arguments)
        .current_dir(folder)
        .env("HOME", environment.home())
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Writes the user's list of channels.
pub fn list(environment: &TestEnvironment, channels: &str) {
    environment
        .write(".config/hpcl/channels.hpcl", &format!("(append (list {channels})\n  %default-channels)\n"));
}

/// A channel of that list.
pub fn channel(name: &str, url: &str, more: &str) -> String {
    format!("(channel (name '{name}) (url \"{url}\") {more})")
}

/// The version of a package, as `hpcl show` prints it.
pub fn version_of(environment: &TestEnvironment, package: &str) -> String {
    let shown = environment.run(&["show", package]).success();
    let line = shown.lines().find(|line| line.starts_with("version:")).unwrap();
    line.split_once(' ').unwrap().1.to_owned()
}
