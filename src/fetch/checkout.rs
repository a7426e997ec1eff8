//! Files of a commit: from its repository, or from an archive with Software Heritage's API when the repository is gone.
//!
//! Of the repository only that commit is fetched where its server allows that, else all of it. The archive keeps trees, which it packs
//! when it is asked to, so that it may say "not yet" for minutes. Submodules come out as empty directories, as `git checkout`
//! leaves them. What arrives is checked by the caller, against the hash that the recipe promises.

use std::{
    ops::ControlFlow,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::{Download, Failure, FetchError, Fetcher, Reason};
use crate::{
    archive::unpack_archive,
    git::{CommitId, GitError, Repository},
    store::bytes_below,
};

type Result<T> = std::result::Result<T, FetchError>;

/// How long an archive may take to pack a tree.
const PATIENCE: Duration = Duration::from_secs(900);

/// The first pause before an archive is asked again; each is twice as long, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_millis(250);

/// The longest pause before an archive is asked again.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What is to be checked out.
#[derive(Clone, Copy, Debug)]
pub struct Checkout<'a> {
    /// What it is called in errors.
    pub name: &'a str,
    /// The repository: an address, or a directory of this machine.
    pub url: &'a str,
    /// A commit, tag or branch.
    pub revision: &'a str,
}

/// What an archive says of a commit.
#[derive(Deserialize)]
struct Revision {
    directory: String,
}

/// What an archive says of a tree that it packs.
#[derive(Deserialize)]
struct Packing {
    status: String,
    #[serde(default)]
    progress_message: Option<String>,
}

impl Fetcher {
    /// Writes the files of a commit to a new directory below `place`, an empty directory, and returns it with the number of bytes that
    /// were fetched. `stop` is looked at from time to time.
    ///
    /// # Errors
    /// [`FetchError::Failed`] with what each place said, [`FetchError::Stopped`], [`FetchError::Write`].
    pub fn checkout(&self, wanted: &Checkout<'_>, place: &Path, stop: &AtomicBool) -> Result<(PathBuf, u64)> {
        let tree = place.join("tree");
        let mut failures = Vec::new();
        match self.ask_repository(wanted, place, &tree, stop) {
            Ok(()) => return Ok((tree, bytes_below(&place.join("git")))),
            Err(GitError::Write { path, source }) => return Err(FetchError::Write { path, source }),
            Err(error) => {
                let source = match error {
                    // The address is the failure's.
                    GitError::Fetch { source, .. } => source,
                    other => Box::new(other),
                };
                let reason = Reason::Repository { source };
                failures.push(Failure { url: wanted.url.to_owned(), reason });
            }
        }
        if stop.load(Ordering::SeqCst) {
            return Err(FetchError::Stopped { name: wanted.name.to_owned() });
        }
        let endpoint = self.mirrors.archive();
        if let (Some(endpoint), Some(commit)) = (endpoint, CommitId::parse(wanted.revision)) {
            match self.ask_archive(wanted, endpoint, commit, place, stop) {
                Ok(done) => return Ok(done),
                Err(FetchError::Failed { failures: more, .. }) => failures.extend(more),
                Err(other) => return Err(other),
            }
        }
        Err(FetchError::Failed { name: wanted.name.to_owned(), failures })
    }

    fn ask_repository(
        &self,
        wanted: &Checkout<'_>,
        place: &Path,
        tree: &Path,
        stop: &AtomicBool,
    ) -> std::result::Result<(), GitError> {
        let repository = Repository::open(wanted.url, &place.join("git"))?;
        let id = repository.fetch_one(self.agent(), wanted.revision, stop)?;
        repository.export(id, tree)
    }

    fn ask_archive(
        &self,
        wanted: &Checkout<'_>,
        endpoint: &str,
        commit: CommitId,
        place: &Path,
        stop: &AtomicBool,
    ) -> Result<(PathBuf, u64)> {
        let endpoint = endpoint.trim_end_matches('/');
        let url = format!("{endpoint}/api/1/revision/{commit}/");
        let revision: Revision = self.json(wanted.name, &url, Method::Get)?;
        let tree = format!("swh:1:dir:{}", revision.directory);
        let url = format!("{endpoint}/api/1/vault/flat/{tree}/");
        let started = Instant::now();
        let mut pause = PAUSE;
        let mut packing: Packing = self.json(wanted.name, &url, Method::Post)?;
        while packing.status != "done" {
            let said = packing.progress_message.unwrap_or_default();
            if packing.status == "failed" || started.elapsed() > PATIENCE {
                let reason =
                    Reason::Unpacked { status: format!("{} {said}", packing.status).trim().to_owned() };
                return Err(failed(wanted.name, &url, reason));
            }
            if wait(pause, stop) {
                return Err(FetchError::Stopped { name: wanted.name.to_owned() });
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
            packing = self.json(wanted.name, &url, Method::Get)?;
        }
        let download = Download {
            name: wanted.name.to_owned(),
            urls: vec![format!("{url}raw/")],
            expected: None,
            cargo: None,
        };
        let file = place.join("archive.tar.gz");
        let go_on = || match stop.load(Ordering::SeqCst) {
            true => ControlFlow::Break(()),
            false => ControlFlow::Continue(()),
        };
        let fetched = self.fetch(&download, &file, &mut |_| go_on())?;
        let directory = place.join("unpacked");
        let wrong = |source: crate::archive::ArchiveError| {
            failed(wanted.name, &url, Reason::Archive { source: Box::new(source) })
        };
        unpack_archive(&file, &directory).map_err(wrong)?;
        // The only directory there is called after the tree.
        Ok((directory.join(tree), fetched.size))
    }

    fn json<T: serde::de::DeserializeOwned>(&self, name: &str, url: &str, method: Method) -> Result<T> {
        let answer = match method {
            Method::Get => self.agent().get(url).call(),
            Method::Post => self.agent().post(url).send_empty(),
        };
        let http = |source| failed(name, url, Reason::Http { source: Box::new(source) });
        let mut answer = answer.map_err(http)?;
        if !answer.status().is_success() {
            return Err(failed(name, url, Reason::Status { code: answer.status().as_u16() }));
        }
        answer.body_mut().read_json().map_err(http)
    }
}

/// How an archive is asked.
#[derive(Clone, Copy)]
enum Method {
    Get,
    Post,
}

fn failed(name: &str, url: &str, reason: Reason) -> FetchError {
    FetchError::Failed { name: name.to_owned(), failures: vec![Failure { url: url.to_owned(), reason }] }
}

/// Waits; answers whether it is to stop.
fn wait(pause: Duration, stop: &AtomicBool) -> bool {
    let started = Instant::now();
    while started.elapsed() < pause {
        if stop.load(Ordering::SeqCst) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    false
}
