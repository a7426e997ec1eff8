//! A channel as somebody declares it: in `channels.hpcl`, as a dependency of another, or in a generation or lock.

use serde::{Deserialize, Serialize};

/// A channel that is wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Declared {
    /// What it is called; the files of two channels are kept apart by it.
    pub name: String,
    /// Where it is: the address of a repository, or a directory of this machine.
    pub url: String,
    /// The branch; without one, what the repository puts first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub branch: Option<String>,
    /// The commit, if it is to be that one and no later one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// From which commit on it is signed, and by whom that one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduction: Option<Introduction>,
    /// Other addresses of the same repository.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mirrors: Vec<String>,
}

/// The first commit of a channel that is to be trusted, and the key that signed it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// The commit.
    pub commit: String,
    /// The fingerprint of an OpenPGP key, in hexadecimal, or an SSH key as in `ssh-ed25519 AAAA…`.
    pub signer: String,
}

impl Declared {
    /// Writes it as a form of `channels.hpcl`; `with_introduction` says whether who signs it is written too.
    pub fn form(&self, with_introduction: bool) -> String {
        let quoted = |text: &str| format!("{text:?}");
        let mut lines =
            vec![format!("(channel\n (name '{})", self.name), format!(" (url {})", quoted(&self.url))];
        if let Some(branch) = &self.branch {
            lines.push(format!(" (branch {})", quoted(branch)));
        }
        if let Some(commit) = &self.commit {
            lines.push(format!(" (commit\n  {})", quoted(commit)));
        }
        if !self.mirrors.is_empty() {
            let mirrors: Vec<String> = self.mirrors.iter().map(|url| quoted(url)).collect();
            lines.push(format!(" (mirrors (list {}))", mirrors.join(" ")));
        }
        if let Some(introduction) = self.introduction.as_ref().filter(|_| with_introduction) {
            let signer = match introduction.signer.contains(' ') {
                true => format!("(ssh-key\n    {})", quoted(&introduction.signer)),
                false => format!("(openpgp-fingerprint\n    {})", quoted(&spaced(&introduction.signer))),
            };
            lines.push(format!(
                " (introduction\n  (make-channel-introduction\n   {}\n   {signer}))",
                quoted(&introduction.commit)
            ));
        }
        format!("{})", lines.join("\n"))
    }
}

/// A fingerprint in groups of four digits.
fn spaced(fingerprint: &str) -> String {
    let digits: Vec<char> = fingerprint.chars().collect();
    digits.chunks(4).map(|group| group.iter().collect::<String>()).collect::<Vec<_>>().join(" ")
}
