//! Reading from a cache.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read},
    ops::ControlFlow,
    path::Path,
    sync::Arc,
};

use super::{
    CACHE_INFO, CacheError, NarInfo,
    place::{Place, fetch_checked},
    s3::S3Place,
    ssh_place::SshPlace,
};
use crate::{
    archive::decompress,
    fetch::{Download, FetchError, Fetcher, Reason, file_path},
    hash::Hasher,
    store::{ItemInfo, LocalStore, StagedImport},
    store_path::{StoreDir, StorePath},
};

/// A cache that items can be fetched from.
#[derive(Debug, Clone)]
pub struct Cache {
    url: String,
    fetcher: Fetcher,
    /// Where its files are, when they do not come by the fetcher.
    place: Option<Arc<dyn Place>>,
}

/// Whether an address is neither a directory's nor a web server's, so that it can be pushed to as it stands.
pub fn is_remote(address: &str) -> bool {
    address.starts_with("ssh://") || address.starts_with("s3://")
}

fn place_of(address: &str, fetcher: &Fetcher) -> Result<Option<Arc<dyn Place>>, CacheError> {
    if address.starts_with("s3://") {
        return Ok(Some(Arc::new(S3Place::open(address, fetcher)?)));
    }
    if !address.starts_with("ssh://") {
        return Ok(None);
    }
    let place = SshPlace::parse(address).ok_or_else(|| CacheError::Ssh {
        host: address.to_owned(),
        reason:
            "this is no address; write `ssh://user@host/directory`, or `ssh://user@host` for the store there"
                .to_owned(),
    })?;
    Ok(Some(Arc::new(place)))
}

impl Cache {
    /// A cache at an address (`https:`, `http:`, `file:`, `ssh:`, `s3:`, or an absolute path), which must be one of our stores'.
    pub fn open(address: &str, fetcher: &Fetcher) -> Result<Cache, CacheError> {
        let cache = Self::unchecked(address, fetcher)?;
        let info = cache.get(CACHE_INFO)?.ok_or_else(|| CacheError::NoCache { url: cache.url.clone() })?;
        let info = String::from_utf8_lossy(&info);
        let directory = info.lines().find_map(|line| line.strip_prefix("StoreDir:")).map(str::trim);
        match directory {
            Some(directory) if directory != StoreDir::CANONICAL.as_str() => {
                Err(CacheError::OtherStore { url: cache.url, directory: directory.to_owned() })
            }
            _ => Ok(cache),
        }
    }

    /// A cache at an address that need not be one yet.
    pub(super) fn unchecked(address: &str, fetcher: &Fetcher) -> Result<Cache, CacheError> {
        let trimmed = address.trim_end_matches('/');
        let url = if trimmed.starts_with('/') { format!("file://{trimmed}") } else { trimmed.to_owned() };
        Ok(Cache { place: place_of(&url, fetcher)?, url, fetcher: fetcher.clone() })
    }

    /// Whether it is the user's own store on another machine, which needs no signatures: the user logged in there.
    pub fn is_own(&self) -> bool {
        self.place.as_ref().is_some_and(|place| place.is_own())
    }

    /// Where its files are, when it is neither a directory here nor a web server.
    pub(super) fn place(&self) -> Option<&dyn Place> {
        self.place.as_deref()
    }

    /// The address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// What the cache says of an item, if it has it. Signatures are not checked here.
    pub fn narinfo(&self, path: &StorePath) -> Result<Option<NarInfo>, CacheError> {
        let Some(text) = self.get(&format!("{}.narinfo", path.hash_part()))? else { return Ok(None) };
        let info = NarInfo::parse(&StoreDir::CANONICAL, &String::from_utf8_lossy(&text))
            .map_err(|source| CacheError::NarInfo { url: self.url.clone(), path: path.clone(), source })?;
        if info.path != *path {
            let (url, path, other) = (self.url.clone(), path.clone(), info.path);
            return Err(CacheError::OtherItem { url, path, other });
        }
        Ok(Some(info))
    }

    /// Fetches, checks and unpacks an item's archive.
    pub fn stage(&self, info: &NarInfo, store: &LocalStore) -> Result<StagedImport, CacheError> {
        let url = format!("{}/{}", self.url, info.url);
        if let Some(file) = file_path(&url) {
            // Nothing to wait for, and the archive's own hash is checked: it is read where it lies.
            return self.unpack(info, store, &file).map_err(|error| why(error, info, &url, &file));
        }
        let file = store.work_path("archive")?;
        if let Some(place) = &self.place {
            let fetched = fetch_checked(&**place, &self.url, &info.url, info.file_hash, &file);
            let staged = fetched.and_then(|()| self.unpack(info, store, &file));
            let _ = std::fs::remove_file(&file);
            return staged;
        }
        let download =
            Download { name: info.path.to_string(), urls: vec![url], expected: info.file_hash, cargo: None };
        self.fetcher.fetch(&download, &file, &mut |_| ControlFlow::Continue(()))?;
        let staged = self.unpack(info, store, &file);
        // The garbage collector takes what cannot be removed.
        let _ = std::fs::remove_file(&file);
        staged
    }

    fn unpack(&self, info: &NarInfo, store: &LocalStore, file: &Path) -> Result<StagedImport, CacheError> {
        let open = File::open(file).map_err(CacheError::file("read", file))?;
        let archive: Box<dyn Read> = match info.compression {
            super::Compression::None => Box::new(BufReader::new(open)),
            _ => decompress(BufReader::new(open))
                .map_err(|source| CacheError::Decompress { path: info.path.clone(), source })?,
        };
        let item = ItemInfo {
            path: info.path.clone(),
            nar_hash: info.nar_hash,
            nar_size: info.nar_size,
            references: info.references.clone(),
            deriver: info.deriver.clone(),
            content: None,
            // Caches are only given what was built in a sandbox; the signature says whom we believe.
            sandboxed: true,
            registered: std::time::SystemTime::now()
                .duration_since(std::time::SystemTime::UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
            layers: BTreeMap::new(),
            hidden: Vec::new(),
            log: None,
        };
        Ok(store.stage(item, archive)?)
    }

    /// A small file of the cache; nothing when it is not there.
    pub(super) fn get(&self, name: &str) -> Result<Option<Vec<u8>>, CacheError> {
        if let Some(place) = &self.place {
            return place.read(name);
        }
        match self.fetcher.fetch_bytes(name, &format!("{}/{name}", self.url), None) {
            Ok(bytes) => Ok(Some(bytes)),
            // Servers of plain files answer 403 for what is not there when they may not list.
            Err(FetchError::Failed { failures, .. })
                if failures.iter().all(|failure| match &failure.reason {
                    Reason::Status { code } => matches!(code, 403 | 404 | 410),
                    Reason::File { source } => source.kind() == io::ErrorKind::NotFound,
                    _ => false,
                }) =>
            {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }
}

/// Why an archive that was read in place cannot be used: if it is not the one that the cache promised, that is the reason.
fn why(error: CacheError, info: &NarInfo, url: &str, file: &Path) -> CacheError {
    let Some(expected) = info.file_hash else { return error };
    let mut hasher = Hasher::new(expected.algorithm());
    match File::open(file).and_then(|mut open| io::copy(&mut open, &mut hasher)) {
        Err(source) => CacheError::file("read", file)(source),
        Ok(_) => match hasher.finish() {
            actual if actual == expected => error,
            actual => CacheError::WrongFile {
                url: url.to_owned(),
                expected: expected.into(),
                actual: actual.into(),
            },
        },
    }
}
